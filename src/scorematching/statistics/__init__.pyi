from .bootstrap import Bootstrap, bootstrap
from .closed_form import fit_closed_form
from .estimate import Estimate
from .sandwich import NotAtMinimumWarning, standard_errors

__all__ = ["Bootstrap", "Estimate", "NotAtMinimumWarning", "bootstrap", "fit_closed_form", "standard_errors"]
