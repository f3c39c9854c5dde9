"""Gradient of an energy with respect to the data, differentiable with respect to the parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scorematching.curvature.autograd import swept
from scorematching.curvature.hessian_products import Products
from scorematching.graph import Graph, check_graph
from scorematching.runtime.kinds import check_arguments
from scorematching.sweeps import State, sweep1, sweep2, sweep3, sweep4


def differentiable_gradient(energy: nn.Module, x: Tensor) -> Tensor:
    """Return ``dE/dx``, with the shape of ``x``.

    The result is differentiable with respect to the parameters if gradients are enabled.
    """
    check_arguments(differentiable_gradient, locals())
    like = next(energy.parameters(), x)
    if not x.is_floating_point() or x.dtype != like.dtype:
        raise TypeError(f"x is {x.dtype}, and the parameters of energy are {like.dtype}: convert one of them")
    if not isinstance(energy, Graph):
        return Products(energy, x).d
    (d,) = swept(_First(torch.is_grad_enabled()), check_graph(energy, "the sweeps"), x)
    return d


class _First:
    """The four sweeps for K alone, as a :class:`Rule`. Only backward needs second derivatives of the layers."""

    def __init__(self, differentiable: bool) -> None:
        self.differentiable = differentiable

    def forward(self, energy: Graph, x: Tensor) -> tuple[State, tuple[Tensor, ...]]:
        """Return the state and ``d``."""
        state = sweep1(energy, x, self.differentiable)
        sweep2(energy, state, curvature=False)
        return state, (state.d[energy.input],)

    def backward(
        self, energy: Graph, state: State, upstream: tuple[Tensor | None, ...], by_data: bool
    ) -> dict[str, Tensor]:
        """Run sweeps 3 and 4, from the gradient with respect to ``d``."""
        sweep3(energy, state, upstream[0], None)
        return sweep4(energy, state, by_data)
