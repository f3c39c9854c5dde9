"""Random estimates of the Hessian's diagonal: unbiased, noisy, and as cheap as one Hessian-vector product a probe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from scorematching.curvature.base import Curvature, Derivatives
from scorematching.curvature.hessian_products import Products
from scorematching.curvature.objective import Objective, Penalty, sm_value
from scorematching.curvature.probes import Distribution, check_probes, draw, probes_for, unbiased_square
from scorematching.curvature.tangents import tangent_gradients, tangent_sweeps
from scorematching.graph import Graph
from scorematching.runtime.arguments import check_choice
from scorematching.runtime.functional import Gradients


@dataclass(frozen=True)
class Hutchinson(Curvature):
    """Hutchinson's estimate ``v∘(H v)`` of the diagonal, for any module that returns energies.

    It is the variance-reduced form of sliced score matching (Song et al., 2019): K is exact and the curvature is
    estimated. The squares of the regularizer come from products of independent probes, so that all of the loss is
    unbiased; those of the whole Hessian from ``(H v)^2``.

    Args:
        probes: How many; by default 1, or 2 where the diagonal is to be squared.
        distribution: ``"rademacher"`` (signs; the smaller variance) or ``"gaussian"``.
        generator: What the probes are drawn with; torch's own if not given.

    Raises:
        ValueError: ``probes`` is no whole number of 1 or more, or the distribution is unknown.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Softplus(), torch.nn.Linear(8, 1))
        >>> Hutchinson(probes=4).derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    recordable: ClassVar[bool] = True
    probes: int | None = None
    distribution: Distribution = "rademacher"
    generator: torch.Generator | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_probes(self.probes)
        check_choice("distribution", self.distribution, ("rademacher", "gaussian"))

    def derivatives(self, energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Derivatives:
        """As :class:`Curvature` has it; the penalty of the diagonal needs two probes or more."""
        return _estimated(energy, x, penalty, self.draws(x, penalty))

    def draws(self, x: Tensor, penalty: Penalty) -> Tensor:
        """The probes, shape (N, probes, ...)."""
        count = probes_for(self.probes, penalty)
        return torch.stack([draw(x, self.distribution, self.generator) for _ in range(count)], 1)

    def value(self, energy: nn.Module, x: Tensor, objective: Objective, drawn: Tensor | None = None) -> Tensor:
        """Without a penalty the trace is enough, by tangents; with weights ``w`` of directions ``w^(1/2) v``."""
        lam, penalty, weight = objective
        assert drawn is not None
        if penalty == "none" and isinstance(energy, Graph):
            state, curved = tangent_sweeps(energy, x, _weighted(drawn, weight))
            return _sliced(state.d[energy.input], curved, weight)
        d, d2, square = _estimated(energy, x, penalty, drawn)
        return sm_value(d, d2, lam, weight, square).sum()

    def gradients(
        self, energy: Graph, x: Tensor, objective: Objective, by_data: bool, drawn: Tensor | None = None
    ) -> Gradients:
        """Of :meth:`value`; without a penalty by the sweeps of the tangents."""
        if objective.penalty != "none":
            return super().gradients(energy, x, objective, by_data, drawn)
        assert drawn is not None
        state, curved = tangent_sweeps(energy, x, _weighted(drawn, objective.weight))
        d = state.d[energy.input]
        a = d if objective.weight is None else d * objective.weight
        found = tangent_gradients(
            energy, state, a, curved.new_full((1, curved.shape[1]), -1 / curved.shape[1]), by_data
        )
        by_x = state.c.get(energy.input, torch.zeros_like(x)) if by_data else None
        return Gradients(_sliced(d, curved, objective.weight), found, by_x)


def _estimated(energy: nn.Module, x: Tensor, penalty: Penalty, probes: Tensor) -> Derivatives:
    """Hutchinson's estimates, by one Hessian-vector product a probe."""
    products = Products(energy, x)
    directions = probes.unbind(1)
    curved = [products.hessian_times(v) for v in directions]
    each = torch.stack([v * hv for v, hv in zip(directions, curved, strict=True)])
    square = None
    if penalty == "diagonal":
        square = unbiased_square(each)
    elif penalty == "hessian":
        square = torch.stack(curved).square().mean(0)
    return Derivatives(products.d, each.mean(0), square)


def _weighted(probes: Tensor, weight: Tensor | None) -> Tensor:
    """``w^(1/2) v``."""
    if weight is None:
        return probes
    return probes * (weight.unsqueeze(1) if weight.ndim == probes.ndim - 1 else weight).sqrt()


def _sliced(d: Tensor, curved: Tensor, weight: Tensor | None) -> Tensor:
    """The sum of the losses, from ``d`` and the second differences, shape (N, probes)."""
    squares = d.square() if weight is None else weight * d.square()
    return 0.5 * squares.sum() - curved.mean(1).sum()
