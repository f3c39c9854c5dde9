"""The paper's recursion: the diagonal of each node's Hessian from the diagonal of the next, by the four sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from scorematching.curvature.analysis.structure import node_shapes
from scorematching.curvature.autograd import swept
from scorematching.curvature.base import Curvature, Derivatives
from scorematching.curvature.objective import Objective, Penalty, sm_partials, sm_value
from scorematching.graph import Graph, check_graph
from scorematching.runtime.functional import Gradients
from scorematching.sweeps import State, curvature_of_data, sweep1, sweep2, sweep3, sweep4

#: Bytes of a block of samples, some eight numbers for each entry of a node: about what a processor's cache holds.
BLOCK = 64 * 2**20


@dataclass(frozen=True)
class DiagonalRecursion(Curvature):
    """Extended double backpropagation, Algorithm 1 of the supplement: the price of a few passes, whatever D is.

    Exact where each non-linear unit is reached from each input by one path at most (products and fields of experts,
    ICA, one hidden layer, disjoint pools); otherwise an approximation, whose own gradient is exact. Needs a
    :class:`scorematching.Graph`.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 5), sm.layers.LogCosh(), sm.Sum())
        >>> DiagonalRecursion().derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    recordable: ClassVar[bool] = True

    def derivatives(self, energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Derivatives:
        """As :class:`Curvature` has it; the penalty of the whole Hessian is not to be had."""
        d, d2 = swept(_Recursion(), _checked(energy, penalty), x)
        return Derivatives(d, d2)

    def samples(self, energy: Graph, x: Tensor) -> int:
        """As many as keep what the sweeps carry in a block of :data:`BLOCK` bytes."""
        numbers = sum(shape.numel() for shape in node_shapes(energy, x).values())
        return max(1, BLOCK // (8 * numbers * x.element_size()))

    def gradients(
        self, energy: Graph, x: Tensor, objective: Objective, by_data: bool, drawn: Tensor | None = None
    ) -> Gradients:
        """The four sweeps; with ``lam`` at 0 the sum of ``d2`` over the data is enough."""
        graph, lam, weight = _checked(energy, objective.penalty), objective.lam, objective.weight
        state = sweep1(graph, x)
        sweep2(graph, state, of_data=lam > 0)
        d = state.d[graph.input]
        d2 = state.d2.get(graph.input, d.new_zeros(1).expand_as(d))
        a, a2, _ = sm_partials(d, d2, lam, weight)
        value = sm_value(d, d2, lam, weight).sum()
        if not lam:
            value = value + curvature_of_data(graph, state, a2)
        sweep3(graph, state, a, a2)
        found = sweep4(graph, state, by_data)
        return Gradients(value, found, state.c.get(graph.input, torch.zeros_like(x)) if by_data else None)


def _checked(energy: nn.Module, penalty: Penalty) -> Graph:
    """The energy, if it is a graph and the penalty is to be had."""
    if penalty == "hessian":
        raise ValueError("the diagonal recursion has no Hessian to penalize: take curvature='full'")
    return check_graph(energy, "curvature='diagonal'")


class _Recursion:
    """All four sweeps."""

    def forward(self, energy: Graph, x: Tensor) -> tuple[State, tuple[Tensor, ...]]:
        """``d`` and ``d2``, all zeros for an energy without curvature."""
        state = sweep1(energy, x)
        sweep2(energy, state)
        d = state.d[energy.input]
        return state, (d, state.d2.get(energy.input, torch.zeros_like(d)))

    def backward(
        self, energy: Graph, state: State, upstream: tuple[Tensor | None, ...], by_data: bool
    ) -> dict[str, Tensor]:
        """Sweeps 3 and 4, from the gradients by ``d`` and ``d2``."""
        sweep3(energy, state, *upstream)
        return sweep4(energy, state, by_data)
