"""Interface of the curvature methods: derivatives of the energy, and the loss computed from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from scorematching.curvature.objective import Objective, sm_value
from scorematching.graph import Graph
from scorematching.runtime.functional import (
    Gradients,
    differentiable_gradients,
    differentiated,
    parameters_of,
    transformed,
)
from scorematching.runtime.validation import full_precision


class Derivatives(NamedTuple):
    """Derivatives of the energy with respect to the data, differentiable with respect to the parameters.

    Attributes:
        d: The gradient, of the shape of the data.
        d2: The diagonal of the Hessian, or an estimate of it, of the same shape.
        square: An unbiased estimate of the square of the diagonal; ``None`` if it is ``d2 * d2``.
    """

    d: Tensor
    d2: Tensor
    square: Tensor | None = None


class Curvature(ABC):
    """Method that computes the diagonal of the Hessian.

    A subclass implements :meth:`derivatives`. It overrides the other methods if it can do better than automatic
    differentiation.
    """

    #: Whether :meth:`value` and :meth:`gradients` run the same tensor operations at each call, so that they can be
    #: recorded and compiled.
    recordable: ClassVar[bool] = False
    #: Whether the method holds for data in a bounded domain.
    bounded: ClassVar[bool] = True

    @abstractmethod
    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Return the derivatives of the energy at a batch of data.

        Args:
            energy: The model.
            x: Data, shape (N, ...).
            squared: Whether the squared diagonal is needed too, as for ``lam`` above 0.

        Raises:
            TypeError: The method does not support this kind of energy.
            ValueError: A shape does not fit, or the method has no unbiased square.
        """

    def samples(self, energy: Graph, x: Tensor) -> int:
        """Return the number of samples to process at a time; the whole batch by default."""
        return len(x)

    def prepared(self, x: Tensor, squared: bool) -> Curvature:
        """Return this method with its random numbers drawn for the batch ``x``. By default it draws none.

        A method that holds tensors must be registered with ``torch.export.register_dataclass``: the tensors are then
        inputs of a compiled program, not constants in it.
        """
        return self

    def value(self, energy: nn.Module, x: Tensor, objective: Objective) -> Tensor:
        """Return the loss, summed over the batch ``x``."""
        d, d2, square = self.derivatives(energy, x, objective.squared)
        return sm_value(d, d2, objective, square).sum()

    def gradients(self, energy: Graph, x: Tensor, objective: Objective, by_data: bool) -> Gradients:
        """Return the loss, summed over the batch ``x``, and its gradients. The default is automatic differentiation.

        Args:
            energy: The model.
            x: Data, shape (N, ...).
            objective: The loss to compute.
            by_data: Whether the gradient with respect to ``x`` is needed.
        """

        def loss(energy: nn.Module, x: Tensor) -> Tensor:
            return self.value(energy, x, objective)

        return differentiated(loss, energy, parameters_of(energy), x, by_data)


def in_chunks(function: Callable[..., Derivatives], size: int, energy: nn.Module, x: Tensor) -> Derivatives:
    """Return ``function(energy, x)``, computed for ``size`` samples at a time to bound the memory.

    If gradients are enabled, the backward pass computes each chunk again instead of keeping it.
    """
    if len(x) <= size or transformed():
        return function(energy, x)
    found = [recomputed(function, energy, part) for part in x.split(size)]
    d, d2, square = zip(*found, strict=True)
    return Derivatives(torch.cat(d), torch.cat(d2), None if square[0] is None else torch.cat(square))


def recomputed(function: Callable[..., Derivatives], energy: nn.Module, x: Tensor) -> Derivatives:
    """Return ``function(energy, x)``; the backward pass computes it again instead of keeping intermediate values."""
    if transformed():
        return function(energy, x)
    parameters = parameters_of(energy)
    return Derivatives(*_Recomputed.apply(function, energy, tuple(parameters), x, *parameters.values()))


class _Recomputed(torch.autograd.Function):
    """Autograd function that keeps only its inputs; the backward pass runs the function again."""

    @staticmethod
    def forward(
        ctx: Any, function: Callable[..., Derivatives], energy: nn.Module, names: tuple[str, ...], x: Tensor, *p: Tensor
    ) -> tuple[Tensor | None, ...]:
        ctx.function, ctx.energy, ctx.names = function, energy, names
        ctx.save_for_backward(x, *p)
        return tuple(function(energy, x))

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        if torch.is_grad_enabled():
            inputs = dict(zip(("", *ctx.names), (x, *parameters), strict=True))
            by_x, *again = differentiable_gradients(ctx.function, ctx.energy, inputs, upstream)
            return None, None, None, by_x, *again

        def paired(energy: nn.Module, x: Tensor) -> Tensor:
            results = ctx.function(energy, x)
            return sum((r * u).sum() for r, u in zip(results, upstream, strict=True) if r is not None and u is not None)

        with full_precision(x):
            state = dict(zip(ctx.names, parameters, strict=True))
            _, found, by_x = differentiated(paired, ctx.energy, state, x, ctx.needs_input_grad[3])
        return None, None, None, by_x, *(found.get(name) for name in ctx.names)
