"""Comparison of two models by their losses on the same held-out samples."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from scorematching.curvature import Choice
from scorematching.domains import DomainChoice
from scorematching.losses import RepeatedValuesWarning, score_matching_loss
from scorematching.losses.bounds import warn_of_bounds
from scorematching.losses.repeats import repeated
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.kinds import check_arguments
from scorematching.statistics.scores import check_samples, parts_of

#: Largest p value of a difference that ``print`` calls one.
_LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """Result of :func:`compare`. ``print`` says which model is better.

    Attributes:
        difference: Mean of J of the first model minus J of the second. It is negative if the first is better.
        standard_error: Its standard error.
        samples: Number of samples N.

    Example:
        >>> print(Comparison(-0.3, 0.05, 1000))
        the first model is better: J differs by -0.3, standard error 0.05, z = -6.00, p = 2e-09 (1,000 samples)
        >>> print(Comparison(0.01, 0.05, 1000))
        neither model is clearly better: J differs by 0.01, standard error 0.05, z = 0.20, p = 0.84 (1,000 samples)
    """

    difference: float
    standard_error: float
    samples: int

    @property
    def z(self) -> float:
        """Difference in standard errors. It is 0 if the models have the same losses."""
        if self.standard_error == 0:
            return math.copysign(math.inf, self.difference) if self.difference else 0.0
        return self.difference / self.standard_error

    @property
    def p_value(self) -> float:
        """Two-sided p value of no difference, by the normal distribution of the mean."""
        return math.erfc(abs(self.z) / math.sqrt(2))

    def __str__(self) -> str:
        better = "the first model is" if self.difference < 0 else "the second model is"
        return (
            f"{better if self.p_value <= _LEVEL else 'neither model is clearly'} better: J differs by "
            f"{self.difference:.4g}, standard error {self.standard_error:.2g}, z = {self.z:.2f}, "
            f"p = {self.p_value:.2g} ({self.samples:,} samples)"
        )


@torch.no_grad()
def compare(
    first: nn.Module,
    second: nn.Module,
    x: Tensor,
    *,
    lam: float = 0.0,
    curvature: Choice = "auto",
    domain: DomainChoice = None,
) -> Comparison:
    """Compare two models by the mean difference of their losses J on the same samples, with its standard error.

    With ``lam`` of 0, the difference of J is the difference of the Fisher divergences from the density of the data. The
    comparison is paired: the models share the samples, so their common noise cancels.

    J does not see the weights of separated modes.

    Args:
        first: Model.
        second: Model that it is compared with.
        x: Independent held-out samples, shape (N, ...), float32 or float64. Neither model may have been fitted to
            them.
        lam: Regularizer, as in :func:`scorematching.score_matching_loss`.
        curvature: Method for the diagonal of the Hessian of both models. It should be exact or unbiased.
        domain: Set that the data lie in, as in :func:`scorematching.score_matching_loss`.

    Warns:
        RepeatedValuesWarning: Values of an input repeat, as in 8-bit data, and ``lam`` is 0. Then the lower J may
            belong to the model with the narrower spikes.
        DomainWarning: The data look bounded, and ``domain`` is not given.

    Raises:
        TypeError: A model is not a module, or a tensor is not of floating point.
        ValueError: There are fewer than two samples, a loss is not finite, or an argument is not valid, as in
            :func:`scorematching.score_matching_loss`.

    Example:
        >>> import scorematching as sm
        >>> x = torch.randn(2000, 1, generator=torch.Generator().manual_seed(0))
        >>> normal = sm.Sequential(sm.layers.Square(), sm.Sum(0.5))
        >>> narrow = sm.Sequential(sm.layers.Square(), sm.Sum(1.0))
        >>> print(compare(normal, narrow, x))
        the first model is better: J differs by -0.5665, standard error 0.052, z = -10.85, p = 2.1e-27 (2,000 samples)
    """
    lam = check_positive("lam", lam, zero=True)
    check_arguments(compare, locals())
    losses = []
    for name, energy in (("first", first), ("second", second)):
        if not isinstance(energy, nn.Module):
            raise TypeError(f"{name} must be a torch module that returns energies, got {type(energy).__name__}")
        check_samples(energy, x)
        if domain is None:
            warn_of_bounds(energy, x)
        loss = partial(score_matching_loss, lam=lam, curvature=curvature, domain=domain, check_finite=False)
        each = [loss(energy, part, reduction="none") for part in parts_of(x)]
        losses.append(torch.cat(each).double())
        if not bool(torch.isfinite(losses[-1]).all()):
            raise ValueError(f"the loss of the {name} model is NaN or infinite at a sample")
    if lam == 0 and len(where := repeated(x)):
        warnings.warn(
            f"values of {len(where)} of {x[0].numel()} inputs repeat, the first is input {int(where[0])}: the loss J "
            "then has no lower bound, on held-out data as well, and can favor a model with narrow spikes. Pass lam "
            "above 0, or add noise to the data",
            RepeatedValuesWarning,
            stacklevel=3,
        )
    difference = losses[0] - losses[1]
    return Comparison(float(difference.mean()), float(difference.std()) / len(x) ** 0.5, len(x))
