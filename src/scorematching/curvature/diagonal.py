"""The paper's recursion: the diagonal of each node's Hessian from the diagonal of the next, by the four sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from scorematching.curvature.analysis.structure import node_shapes
from scorematching.curvature.autograd import swept
from scorematching.curvature.base import Curvature, Derivatives
from scorematching.curvature.objective import Objective, sm_partials, sm_value
from scorematching.graph import Graph, check_graph
from scorematching.runtime.functional import Gradients
from scorematching.sweeps import State, curvature_of_data, sweep1, sweep2, sweep3, sweep4

#: Bytes of a block of samples, at about eight numbers per entry of a node: roughly the size of a processor's cache.
BLOCK = 64 * 2**20


@dataclass(frozen=True)
class DiagonalRecursion(Curvature):
    """Extended double backpropagation, Algorithm 1 of the supplement: the cost of a few passes, whatever D is.

    The diagonal is exact if each input reaches each non-linear unit by at most one path (products and fields of
    experts, ICA, one hidden layer, disjoint pools). Otherwise it is an approximation, and the gradient of the loss is
    the exact gradient of that approximation. The energy must be a :class:`scorematching.Graph`.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 5), sm.layers.LogCosh(), sm.Sum())
        >>> DiagonalRecursion().derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    recordable: ClassVar[bool] = True

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives`."""
        return Derivatives(*swept(_Recursion(), check_graph(energy, "curvature='diagonal'"), x))

    def samples(self, energy: Graph, x: Tensor) -> int:
        """Return how many samples the sweeps can process within :data:`BLOCK` bytes."""
        numbers = sum(shape.numel() for shape in node_shapes(energy, x).values())
        return max(1, BLOCK // (8 * numbers * x.element_size()))

    def gradients(self, energy: Graph, x: Tensor, objective: Objective, by_data: bool) -> Gradients:
        """Implement :meth:`Curvature.gradients` by the four sweeps; ``lam = 0`` needs only the sum of ``d2``."""
        graph = check_graph(energy, "curvature='diagonal'")
        state = sweep1(graph, x)
        sweep2(graph, state, of_data=objective.squared)
        d = state.d[graph.input]
        d2 = state.d2.get(graph.input, d.new_zeros(1).expand_as(d))
        a, a2 = sm_partials(d, d2, *objective)
        value = sm_value(d, d2, *objective).sum()
        if not objective.squared:
            value = value + curvature_of_data(graph, state, a2)
        sweep3(graph, state, a, a2)
        found = sweep4(graph, state, by_data)
        return Gradients(value, found, state.c.get(graph.input))


class _Recursion:
    """All four sweeps."""

    def forward(self, energy: Graph, x: Tensor) -> tuple[State, tuple[Tensor, ...]]:
        """Return the state, and ``d`` and ``d2``: zeros if the energy has no curvature."""
        state = sweep1(energy, x)
        sweep2(energy, state)
        d = state.d[energy.input]
        return state, (d, state.d2.get(energy.input, torch.zeros_like(d)))

    def backward(
        self, energy: Graph, state: State, upstream: tuple[Tensor | None, ...], by_data: bool
    ) -> dict[str, Tensor]:
        """Run sweeps 3 and 4, from the gradients with respect to ``d`` and ``d2``."""
        sweep3(energy, state, *upstream)
        return sweep4(energy, state, by_data)
