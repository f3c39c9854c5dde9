from .bootstrap import Bootstrap, bootstrap
from .closed_form import fit_closed_form
from .comparison import Comparison, compare
from .estimate import Estimate
from .fisher import FisherDivergence, fisher_divergence
from .goodness_of_fit import SteinTest, stein_test
from .sandwich import NotAtMinimumWarning, standard_errors

__all__ = [
    "Bootstrap",
    "Comparison",
    "Estimate",
    "FisherDivergence",
    "NotAtMinimumWarning",
    "SteinTest",
    "bootstrap",
    "compare",
    "fisher_divergence",
    "fit_closed_form",
    "standard_errors",
    "stein_test",
]
