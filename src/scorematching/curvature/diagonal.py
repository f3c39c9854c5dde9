"""The paper's recursion: the diagonal of each node's Hessian from the diagonal of the next, by the four sweeps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.curvature.autograd import swept
from scorematching.curvature.base import Curvature, Derivatives, Penalty
from scorematching.graph import Graph
from scorematching.sweeps import State, sweep1, sweep2, sweep3, sweep4
from scorematching.validation import check_graph


@dataclass(frozen=True)
class Diagonal(Curvature):
    """Extended double backpropagation, Algorithm 1 of the supplement: the price of a few passes, whatever D is.

    Exact where each non-linear unit is reached from each input by one path at most (products and fields of experts,
    ICA, one hidden layer, disjoint pools); otherwise an approximation, whose own gradient is exact. Needs a
    :class:`scorematching.Graph`.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 5), sm.LogCosh(), sm.Sum())
        >>> Diagonal().derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    def derivatives(self, energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Derivatives:
        """As :class:`Curvature` has it; the penalty of the whole Hessian is not to be had."""
        if penalty == "hessian":
            raise ValueError("the diagonal recursion has no Hessian to penalise: take curvature='full'")
        d, d2 = swept(_Recursion(), check_graph(energy, "curvature='diagonal'"), x)
        return Derivatives(d, d2)


def gradient(energy: Graph, x: Tensor) -> Tensor:
    """``d`` alone, differentiable where gradients are enabled: the sweeps without their curvature."""
    (d,) = swept(_First(torch.is_grad_enabled()), check_graph(energy, "the sweeps"), x)
    return d


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


class _First:
    """The four sweeps of K alone; of the layers' derivatives the second one is needed on the way back only."""

    def __init__(self, differentiable: bool) -> None:
        self.differentiable = differentiable

    def forward(self, energy: Graph, x: Tensor) -> tuple[State, tuple[Tensor, ...]]:
        """``d``."""
        state = sweep1(energy, x, self.differentiable)
        sweep2(energy, state, curvature=False)
        return state, (state.d[energy.input],)

    def backward(
        self, energy: Graph, state: State, upstream: tuple[Tensor | None, ...], by_data: bool
    ) -> dict[str, Tensor]:
        """Sweeps 3 and 4, from the gradient by ``d``."""
        sweep3(energy, state, upstream[0], None)
        return sweep4(energy, state, by_data)
