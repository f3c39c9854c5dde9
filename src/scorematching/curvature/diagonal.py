"""The recursion of the paper: the diagonal of the Hessian at each node, from the diagonal at the nodes after it.

There are two ways in. :meth:`DiagonalRecursion.derivatives` returns ``d`` and ``d2`` as differentiable tensors; their
backward pass runs sweeps 3 and 4. :meth:`DiagonalRecursion.gradients` runs all four sweeps at once, and returns the
loss with its gradient.
"""

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

#: Bytes that the sweeps may use for a block of samples: roughly the size of a processor's cache.
BLOCK = 64 * 2**20


@dataclass(frozen=True)
class DiagonalRecursion(Curvature):
    """Extended double backpropagation, Algorithm 1 of the supplement, for the cost of a few passes.

    The diagonal is exact if at most one path leads from each input to each non-linear unit (products and fields of
    experts, ICA, one hidden layer, disjoint pools). Otherwise it is an approximation. The gradient of the loss is then
    the exact gradient of this approximate loss. The energy must be a :class:`scorematching.Graph`.

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
        """Return the number of samples that fit into :data:`BLOCK` bytes, at eight numbers per entry of a node."""
        numbers = sum(shape.numel() for shape in node_shapes(energy, x).values())
        return max(1, BLOCK // (8 * numbers * x.element_size()))

    def gradients(self, energy: Graph, x: Tensor, objective: Objective, by_data: bool) -> Gradients:
        """Implement :meth:`Curvature.gradients` by the four sweeps.

        With ``lam = 0`` the loss needs only the sum of ``d2`` over the data. Sweep 2 then leaves out ``d2`` of the
        data, zeros stand in for it, and :func:`curvature_of_data` adds its part of the loss.
        """
        graph = check_graph(energy, "curvature='diagonal'")
        state = sweep1(graph, x)
        sweep2(graph, state, of_data=objective.squared)
        d = state.d[graph.input]
        d2 = state.d2.get(graph.input, d.new_zeros(1).expand_as(d))
        a, a2 = sm_partials(d, d2, objective)
        value = sm_value(d, d2, objective).sum()
        if not objective.squared:
            value = value + curvature_of_data(graph, state, a2)
        sweep3(graph, state, a, a2)
        found = sweep4(graph, state, by_data)
        return Gradients(value, found, state.c.get(graph.input))


class _Recursion:
    """The four sweeps as a :class:`Rule`: sweeps 1 and 2 forward, sweeps 3 and 4 backward."""

    def forward(self, energy: Graph, x: Tensor) -> tuple[State, tuple[Tensor, ...]]:
        """Return the state, and ``d`` and ``d2`` of the data; ``d2`` is zero if the energy is affine."""
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
