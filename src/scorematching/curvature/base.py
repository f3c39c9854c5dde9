"""What a method of curvature gives: the first and second derivatives of the energy that the loss is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from scorematching.validation import full_precision

#: Which squared second derivatives the regulariser sums: none, those of the diagonal, or all of the Hessian.
Penalty = Literal["none", "diagonal", "hessian"]


class Derivatives(NamedTuple):
    """Derivatives of the energy by the data, each of the shape of the data, differentiable by the parameters.

    Attributes:
        d: The gradient.
        d2: The diagonal of the Hessian, or an estimate of it.
        square: What the regulariser sums: for the penalty of the diagonal an estimate of its square, ``None`` where
            that is ``d2 * d2``; for the penalty of the Hessian the sums of the squares of its rows.
    """

    d: Tensor
    d2: Tensor
    square: Tensor | None = None


class Curvature(ABC):
    """A way to compute the diagonal of the Hessian. The concrete ones say how; what they cost, ``exactness`` prints."""

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
    parameters = {
        f"{path}.{name}" if path else name: parameter
        for path, module in energy.named_modules()
        for name, parameter in module.named_parameters(recurse=False)
    }
    return Derivatives(*_Recomputed.apply(function, energy, tuple(parameters), x, *parameters.values()))


class _Bound(nn.Module):
    """A function of an energy as a module, whose parameters ``functional_call`` can replace."""

    def __init__(self, function: Callable[..., Derivatives], energy: nn.Module) -> None:
        super().__init__()
        self.function, self.energy = function, energy

    def forward(self, x: Tensor) -> Derivatives:
        return self.function(self.energy, x)


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
        wanted = ctx.needs_input_grad[3:]
        leaves = [t.detach().requires_grad_(w) for t, w in zip(ctx.saved_tensors, wanted, strict=True)]
        bound = _Bound(ctx.function, ctx.energy)
        with torch.enable_grad(), full_precision(leaves[0]):
            named = {f"energy.{name}": leaf for name, leaf in zip(ctx.names, leaves[1:], strict=True)}
            results = functional_call(bound, named, (leaves[0],), tie_weights=False)
            value = sum((r * u).sum() for r, u in zip(results, upstream, strict=True) if r is not None)
        asked = [leaf for leaf in leaves if leaf.requires_grad]
        known = isinstance(value, Tensor) and value.requires_grad
        found = iter(torch.autograd.grad(value, asked, allow_unused=True) if known else [None] * len(asked))
        return None, None, None, *(next(found) if leaf.requires_grad else None for leaf in leaves)
