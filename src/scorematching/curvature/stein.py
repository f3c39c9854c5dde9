"""Stein's estimate of the trace, from noise that was added to the data and is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from scorematching.curvature.base import Curvature, Derivatives
from scorematching.curvature.gradient import differentiable_gradient
from scorematching.curvature.objective import Objective, Penalty, sm_value
from scorematching.graph import Graph
from scorematching.runtime.functional import Gradients
from scorematching.sweeps import sweep1, sweep2, sweep3, sweep4


@dataclass(frozen=True)
class Stein(Curvature):
    """The curvature ``d∘n / s^2`` at data ``x = y + n``, where ``n``, Gaussian noise of deviation ``s``, is known.

    Its mean over the noise is that of the diagonal of the Hessian (Stein's lemma). With it the loss of score matching
    is that of denoising score matching (Vincent, 2011) up to a constant, with ``y``, which may be noisy itself, in the
    place of clean data. No second derivative is computed: of all methods the cheapest, and the less noise there is
    in ``y`` beside ``n``, the smaller its variance.

    Args:
        noise: ``n / s^2``, of the shape of the data.

    Raises:
        ValueError: A loss is asked for at data of another shape, or with ``lam``: squares of this are of no use.

    Example:
        >>> import scorematching as sm
        >>> y, n = torch.randn(1000, 3), torch.randn(1000, 3)
        >>> energy = sm.energies.ProductOfStudentT(3, 4)
        >>> loss = sm.score_matching_loss(energy, y + 0.5 * n, curvature=sm.curvature.Stein(n / 0.5))
    """

    recordable: ClassVar[bool] = True
    noise: Tensor = field(compare=False)

    def draws(self, x: Tensor, penalty: Penalty) -> Tensor:
        """The noise."""
        if self.noise.shape != x.shape:
            raise ValueError(f"expected noise of the data's shape {tuple(x.shape)}, got {tuple(self.noise.shape)}")
        if penalty != "none":
            raise ValueError("Stein's estimate has no squares for a regularizer: leave lam at 0")
        return self.noise

    def derivatives(self, energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Derivatives:
        """As :class:`Curvature` has it."""
        return _paired(energy, x, self.draws(x, penalty))

    def value(self, energy: nn.Module, x: Tensor, objective: Objective, drawn: Tensor | None = None) -> Tensor:
        """The loss, summed over a batch."""
        assert drawn is not None
        d, d2, _ = _paired(energy, x, drawn)
        return sm_value(d, d2, 0.0, objective.weight).sum()

    def gradients(
        self, energy: Graph, x: Tensor, objective: Objective, by_data: bool, drawn: Tensor | None = None
    ) -> Gradients:
        """Of :meth:`value`, the noise being a constant: the sweeps of ``d`` alone, from ``a = d - n / s^2``."""
        assert drawn is not None
        state = sweep1(energy, x)
        sweep2(energy, state, curvature=False)
        d, weight = state.d[energy.input], objective.weight
        sweep3(energy, state, d - drawn if weight is None else weight * (d - drawn), None)
        found = sweep4(energy, state, by_data)
        by_x = state.c.get(energy.input, torch.zeros_like(x)) if by_data else None
        return Gradients(sm_value(d, d * drawn, 0.0, weight).sum(), found, by_x)


def _paired(energy: nn.Module, x: Tensor, noise: Tensor) -> Derivatives:
    d = differentiable_gradient(energy, x)
    return Derivatives(d, d * noise)
