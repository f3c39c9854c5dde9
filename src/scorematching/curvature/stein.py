"""Stein's estimate of the Hessian diagonal, from known noise that was added to the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from scorematching.curvature.base import Curvature, Derivatives
from scorematching.curvature.gradient import differentiable_gradient
from scorematching.curvature.objective import Objective, sm_value
from scorematching.graph import Graph
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.functional import Gradients
from scorematching.runtime.kinds import check_arguments
from scorematching.sweeps import sweep1, sweep2, sweep3, sweep4


@dataclass(frozen=True, eq=False)
class Stein(Curvature):
    """Estimate ``d∘n / sigma^2`` at data ``x = y + n``, with known Gaussian noise ``n``.

    The mean of the estimate over the noise is the mean of the Hessian diagonal (Stein's lemma). The score matching loss
    with this estimate is, up to a constant, the loss of denoising score matching (Vincent 2011) with ``y`` as the clean
    data. ``y`` may itself be noisy. No second derivative is computed, so this is the cheapest method. The less noise
    ``y`` has compared with ``n``, the smaller is the variance.

    Args:
        noise: ``n``, with the shape of the data.
        sigma: Its standard deviation.

    Raises:
        ValueError: When the loss is computed: the data have another shape than ``noise``, or ``lam`` is above 0.

    Example:
        >>> import scorematching as sm
        >>> y, n = torch.randn(1000, 3), torch.randn(1000, 3)
        >>> energy = sm.energies.ProductOfStudentT(3, 4)
        >>> loss = sm.score_matching_loss(energy, y + 0.5 * n, curvature=sm.curvature.Stein(0.5 * n, 0.5))
    """

    recordable: ClassVar[bool] = True
    bounded: ClassVar[bool] = False
    noise: Tensor
    sigma: float

    def __post_init__(self) -> None:
        check_arguments(Stein, vars(self))
        check_positive("sigma", self.sigma)

    @property
    def _scaled(self) -> Tensor:
        """``n / sigma^2``."""
        return self.noise / self.sigma**2

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives`. There is no unbiased square."""
        self._check(x, squared)
        d = differentiable_gradient(energy, x)
        return Derivatives(d, d * self._scaled)

    def gradients(self, energy: Graph, x: Tensor, objective: Objective, by_data: bool) -> Gradients:
        """Implement :meth:`Curvature.gradients` by the sweeps for ``d`` alone, from ``a = d - n / sigma^2``."""
        self._check(x, objective.squared)
        state = sweep1(energy, x)
        sweep2(energy, state, curvature=False)
        d, weight = state.d[energy.input], objective.weight
        sweep3(energy, state, d - self._scaled if weight is None else weight * (d - self._scaled), None)
        found = sweep4(energy, state, by_data)
        return Gradients(sm_value(d, d * self._scaled, objective).sum(), found, state.c.get(energy.input))

    def _check(self, x: Tensor, squared: bool) -> None:
        """Raise ``ValueError`` if the noise has another shape than the data, or the loss needs a square."""
        if self.noise.shape != x.shape:
            raise ValueError(f"expected noise of the data's shape {tuple(x.shape)}, got {tuple(self.noise.shape)}")
        if squared:
            raise ValueError("Stein's estimate has no unbiased square for the regularizer: leave lam at 0")


torch.export.register_dataclass(Stein)
