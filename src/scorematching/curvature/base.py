"""What a method of curvature gives: the first and second derivatives of the energy that the loss is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from scorematching.curvature.objective import Objective, Penalty, sm_value
from scorematching.graph import Graph
from scorematching.runtime.functional import Gradients, differentiated, parameters_of
from scorematching.runtime.validation import full_precision


class Derivatives(NamedTuple):
    """Derivatives of the energy by the data, each of the shape of the data, differentiable by the parameters.

    Attributes:
        d: The gradient.
        d2: The diagonal of the Hessian, or an estimate of it.
        square: What the regularizer sums: for the penalty of the diagonal an estimate of its square, ``None`` where
            that is ``d2 * d2``; for the penalty of the Hessian the sums of the squares of its rows.
    """

    d: Tensor
    d2: Tensor
    square: Tensor | None = None


class Curvature(ABC):
    """A way to compute the diagonal of the Hessian. The concrete ones say how; what they cost, ``exactness`` prints."""

    #: Whether one and the same list of operations on tensors, of a bearable length, is made at each call.
    recordable: ClassVar[bool] = False

    @abstractmethod
    def derivatives(self, energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Derivatives:
        """The derivatives of the energy at a batch of data.

        Args:
            energy: The model.
            x: Data, shape (N, ...).
            penalty: What of the Hessian is squared in the loss.

        Raises:
            TypeError: The method does not work on this kind of energy.
            ValueError: A shape does not fit, or the penalty is not to be had by this method.
        """

    def samples(self, energy: Graph, x: Tensor) -> int:
        """How many samples to take at a time; all, unless the method says otherwise."""
        return len(x)

    def draws(self, x: Tensor, penalty: Penalty) -> Tensor | None:
        """The random numbers of one loss, shape (N, ...); ``None`` for methods that draw none, or draw as they go."""
        return None

    def value(self, energy: nn.Module, x: Tensor, objective: Objective, drawn: Tensor | None = None) -> Tensor:
        """The loss, summed over a batch.

        Args:
            energy: The model.
            x: Data, shape (N, ...).
            objective: Which loss.
            drawn: What :meth:`draws` gave.
        """
        d, d2, square = self.derivatives(energy, x, objective.penalty)
        return sm_value(d, d2, objective.lam, objective.weight, square).sum()

    def gradients(
        self, energy: Graph, x: Tensor, objective: Objective, by_data: bool, drawn: Tensor | None = None
    ) -> Gradients:
        """The value and its gradients at once; by automatic differentiation, if not overridden.

        Args:
            energy: The model.
            x: Data, shape (N, ...).
            objective: Which loss.
            by_data: Whether its gradient by ``x`` is wanted.
            drawn: What :meth:`draws` gave.
        """

        def loss(energy: nn.Module, x: Tensor) -> Tensor:
            return self.value(energy, x, objective, drawn)

        return differentiated(loss, energy, parameters_of(energy), x, by_data)


def in_chunks(function: Callable[..., Derivatives], size: int, energy: nn.Module, x: Tensor) -> Derivatives:
    """A function of an energy and a batch, ``size`` samples at a time, so that no more than one chunk's memory is held.

    Where a gradient will be asked for, each chunk is computed again in the backward pass.
    """
    if len(x) <= size:
        return function(energy, x)
    found = [recomputed(function, energy, part) for part in x.split(size)]
    d, d2, square = zip(*found, strict=True)
    return Derivatives(torch.cat(d), torch.cat(d2), None if square[0] is None else torch.cat(square))


def recomputed(function: Callable[..., Derivatives], energy: nn.Module, x: Tensor) -> Derivatives:
    """``function(energy, x)``, nothing of which is kept for the backward pass: there it is computed again."""
    parameters = parameters_of(energy)
    return Derivatives(*_Recomputed.apply(function, energy, tuple(parameters), x, *parameters.values()))


class _Recomputed(torch.autograd.Function):
    """The parameters are arguments, and put back into the energy when it is run again."""

    @staticmethod
    def forward(
        ctx: Any, function: Callable[..., Derivatives], energy: nn.Module, names: tuple[str, ...], x: Tensor, *p: Tensor
    ) -> tuple[Tensor | None, ...]:
        ctx.function, ctx.energy, ctx.names = function, energy, names
        ctx.save_for_backward(x, *p)
        return tuple(function(energy, x))

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError("a loss taken in chunks can be differentiated once: create_graph=True is not possible")
        x, *parameters = ctx.saved_tensors

        def paired(energy: nn.Module, x: Tensor) -> Tensor:
            results = ctx.function(energy, x)
            return sum((r * u).sum() for r, u in zip(results, upstream, strict=True) if r is not None and u is not None)

        with full_precision(x):
            state = dict(zip(ctx.names, parameters, strict=True))
            _, found, by_x = differentiated(paired, ctx.energy, state, x, ctx.needs_input_grad[3])
        return None, None, None, by_x, *(found.get(name) for name in ctx.names)
