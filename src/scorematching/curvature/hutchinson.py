"""Hutchinson's random estimate of the Hessian diagonal: unbiased, with one Hessian-vector product per probe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from scorematching.curvature.base import Curvature, Derivatives
from scorematching.curvature.hessian_products import Products
from scorematching.curvature.objective import Objective, sm_partials, sm_value
from scorematching.curvature.probes import Distribution, check_probes, draw, probes_for, unbiased_square
from scorematching.curvature.tangents import tangent_gradients, tangent_sweeps
from scorematching.graph import Graph
from scorematching.runtime.arguments import check_choice
from scorematching.runtime.functional import Gradients
from scorematching.runtime.kinds import check_arguments


@dataclass(frozen=True)
class Hutchinson(Curvature):
    """Hutchinson's estimate ``v∘(H v)`` of the diagonal, for any module that returns energies.

    This is the variance-reduced form of sliced score matching (Song et al. 2019): K is exact, and only the curvature is
    estimated. Squares in the regularizer are products of estimates from independent probes, so the loss is unbiased.

    Args:
        probes: Number of probes; by default 1, or 2 if the regularizer squares the diagonal.
        distribution: ``"rademacher"`` (random signs, the smaller variance) or ``"gaussian"``.
        generator: Random number generator. By default that of PyTorch.

    Raises:
        ValueError: ``probes`` is not an integer of 1 or more, or the distribution is unknown.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Softplus(), torch.nn.Linear(8, 1))
        >>> Hutchinson(probes=4).derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    probes: int | None = None
    distribution: Distribution = "rademacher"
    generator: torch.Generator | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_arguments(Hutchinson, vars(self))
        check_probes(self.probes)
        check_choice("distribution", self.distribution, ("rademacher", "gaussian"))

    def directions(self, x: Tensor, squared: bool) -> Tensor:
        """Draw the probes of a batch, shape (N, probes, ...)."""
        count = probes_for(self.probes, squared)
        return torch.stack([draw(x, self.distribution, self.generator) for _ in range(count)], 1)

    def prepared(self, x: Tensor, squared: bool) -> Curvature:
        """Return the same estimate with probes drawn for the batch ``x``."""
        return FixedProbes(self.directions(x, squared))

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives`; an unbiased square needs two probes or more."""
        return self.prepared(x, squared).derivatives(energy, x, squared)


@dataclass(frozen=True, eq=False)
class FixedProbes(Curvature):
    """Hutchinson's estimate with given probes.

    Args:
        probes: Shape (N, probes, ...), for data of shape (N, ...).
    """

    recordable: ClassVar[bool] = True
    probes: Tensor

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives` by one Hessian-vector product per probe."""
        products = Products(energy, x)
        directions = self.probes.unbind(1)
        curved = [products.hessian_times(v) for v in directions]
        each = torch.stack([v * hv for v, hv in zip(directions, curved, strict=True)])
        square = unbiased_square(each) if squared else None
        return Derivatives(products.d, each.mean(0), square)

    def value(self, energy: nn.Module, x: Tensor, objective: Objective) -> Tensor:
        """Implement :meth:`Curvature.value`. For a graph and ``lam = 0``, use tangents, which give only the trace."""
        if objective.squared or not isinstance(energy, Graph):
            return super().value(energy, x, objective)
        state, curved = tangent_sweeps(energy, x, self._weighted(objective.weight))
        return _sliced(state.d[energy.input], curved, objective)

    def gradients(self, energy: Graph, x: Tensor, objective: Objective, by_data: bool) -> Gradients:
        """Implement :meth:`Curvature.gradients`. For ``lam = 0``, use the sweeps of the tangents."""
        if objective.squared:
            return super().gradients(energy, x, objective, by_data)
        state, curved = tangent_sweeps(energy, x, self._weighted(objective.weight))
        d, probes = state.d[energy.input], curved.shape[1]
        a, _ = sm_partials(d, d, objective)
        found = tangent_gradients(energy, state, a, curved.new_full((1, probes), -1 / probes), by_data)
        return Gradients(_sliced(d, curved, objective), found, state.c.get(energy.input))

    def _weighted(self, weight: Tensor | None) -> Tensor:
        """Return the directions ``w^(1/2) v``. The mean of their ``v·(H v)`` is ``sum_i w_i H_ii``."""
        if weight is None:
            return self.probes
        return self.probes * (weight.unsqueeze(1) if weight.ndim == self.probes.ndim - 1 else weight).sqrt()


torch.export.register_dataclass(FixedProbes)


def _sliced(d: Tensor, curved: Tensor, objective: Objective) -> Tensor:
    """Return the summed loss for ``lam = 0``, from ``d`` and ``v·(H v)``, shape (N, probes)."""
    return sm_value(d, torch.zeros_like(d), objective).sum() - curved.mean(1).sum()
