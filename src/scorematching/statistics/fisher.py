"""Fisher divergence between a model and a known density."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from scorematching.runtime.kinds import check_arguments
from scorematching.statistics.scores import Model, check_samples, scores_of


@dataclass(frozen=True)
class FisherDivergence:
    """Result of :func:`fisher_divergence`.

    Attributes:
        value: The mean over the samples, in squared units of the score.
        standard_error: Its standard error.
        samples: Number of samples N.
    """

    value: float
    standard_error: float
    samples: int

    def __str__(self) -> str:
        return (
            f"Fisher divergence {self.value:.4g}, standard error {self.standard_error:.2g} ({self.samples:,} samples)"
        )


def fisher_divergence(energy: nn.Module, x: Tensor, reference: Model) -> FisherDivergence:
    """Return the mean of ``1/2 |score of the energy - score of the reference|^2``, with its standard error.

    Score matching minimizes this divergence: on samples of the reference, it is the loss J up to a constant that does
    not depend on the energy. It is 0 for the reference itself. Like J, it does not see the weights of separated modes.

    On a simplex or a sphere, the scores include the component off the set, which has no meaning there.

    Args:
        energy: Model: any module that returns energies.
        x: Independent samples of the reference density, shape (N, ...), float32 or float64. The energy must not have
            been fitted to them.
        reference: Energy of the reference density, or a function that maps data to its scores.

    Raises:
        TypeError: A model is of the wrong type, or ``x`` is not of floating point.
        ValueError: There are fewer than two samples, a shape does not fit, or ``x`` or a score is not finite.

    Example:
        Between the standard normal density and one of standard deviation 2, from which the samples are, it is 9/8:

        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.layers.Square(), sm.Sum(0.5))
        >>> x = 2 * torch.randn(5000, 1, generator=torch.Generator().manual_seed(0))
        >>> print(fisher_divergence(energy, x, lambda x: -x / 4))
        Fisher divergence 1.106, standard error 0.023 (5,000 samples)
    """
    check_arguments(fisher_divergence, locals())
    if not isinstance(energy, nn.Module):
        raise TypeError(f"energy must be a torch module that returns energies, got {type(energy).__name__}")
    check_samples(energy, x)
    check_samples(reference, x)
    each = 0.5 * (scores_of(energy, x) - scores_of(reference, x)).square().flatten(1).sum(1)
    return FisherDivergence(float(each.mean()), float(each.std()) / len(x) ** 0.5, len(x))
