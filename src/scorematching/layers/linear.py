"""Dense and diagonal linear layers, and shifts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scorematching.layers.base import HERE, Coefficients, Gradients, Local, Sides, Span, channel_sum, channel_view
from scorematching.layers.families import Affine
from scorematching.layers.shapes import check_channels
from scorematching.runtime.kinds import check_arguments


class Linear(Affine):
    """Fully connected layer ``y = W x + b`` of shape (N, inputs) to (N, outputs). Supplement, section 3.1.

    Args:
        inputs: Number of entries of ``x``.
        outputs: Number of entries of ``y``.
        bias: Whether to add a learned ``b``.

    Example:
        >>> Linear(3, 5)(torch.zeros(2, 3)).shape
        torch.Size([2, 5])
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        check_arguments(Linear.__init__, locals())
        super().__init__()
        reference = nn.Linear(inputs, outputs, bias)
        self.weight = reference.weight
        self.bias = reference.bias

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, inputs)."""
        inputs = self.weight.shape[1]
        if x.ndim != 2 or x.shape[1] != inputs:
            raise ValueError(f"expected shape (N, {inputs}), got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """Return the same position: an output sees the input at its own position only."""
        return HERE, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``W x``."""
        return x @ w.T

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``W^T y``."""
        return y @ w

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Return ``y x^T``."""
        return y.T @ x

    def extra_repr(self) -> str:
        """Return the sizes, for ``print``."""
        outputs, inputs = self.weight.shape
        return f"{inputs}, {outputs}" + ("" if self.bias is not None else ", bias=False")


class Scale(Affine):
    """Diagonal linear layer ``y = s∘x`` with one learned factor per channel. The shape (N, C, ...) is kept.

    Args:
        channels: C, the size of dimension 1. The factors start at 1.

    Example:
        >>> Scale(3)(torch.ones(1, 3)).tolist()
        [[1.0, 1.0, 1.0]]
    """

    def __init__(self, channels: int) -> None:
        check_arguments(Scale.__init__, locals())
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, channels, ...)."""
        check_channels(x, len(self.weight))

    def footprint(self) -> tuple[Span, Span]:
        """Return the same position: an output sees the input at its own position only."""
        return HERE, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``s∘x``."""
        return x * channel_view(w, x.ndim)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``s∘y``: the map is its own adjoint."""
        return self.linear(y, w)

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Return ``y∘x``, summed over each channel."""
        return channel_sum(y * x)

    def extra_repr(self) -> str:
        """Return the sizes, for ``print``."""
        return str(len(self.weight))


class Multiply(Affine):
    """Entrywise product ``y = w∘x`` with a number, or with a tensor that broadcasts to the shape of ``x``.

    Args:
        weight: A number or a tensor. A ``torch.nn.Parameter`` is learned; any other tensor is fixed.
        shape: Shape that the tensor is viewed as before it is broadcast. By default its own shape.

    Example:
        >>> Multiply(-0.5)(torch.ones(1, 3)).tolist()
        [[-0.5, -0.5, -0.5]]
    """

    def __init__(self, weight: float | Tensor, shape: Sequence[int] | None = None) -> None:
        check_arguments(Multiply.__init__, locals())
        super().__init__()
        self.weight = _parameter(weight)
        self.shape = _broadcast_shape(weight, shape)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the weight broadcasts to the shape of ``x``."""
        _check_broadcast(x, self.shape)

    def footprint(self) -> tuple[Span, Span] | None:
        """Return the same position, or None if the coefficients differ between positions."""
        return _same_everywhere(self.shape)

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``w∘x``."""
        return x * (w.view(self.shape) if isinstance(w, Tensor) else w)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``w∘y``: the map is its own adjoint."""
        return self.linear(y, w)

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Return ``y∘x``, summed over the entries that share a weight."""
        return (y * x).sum_to_size(self.shape).view_as(self.weight)

    def extra_repr(self) -> str:
        """Return the number or the shape, for ``print``."""
        return f"shape={self.shape}" if isinstance(self.weight, Tensor) else f"{self.weight:g}"


class Add(Affine):
    """Sum ``y = x + b`` with a number, or with a tensor that broadcasts to the shape of ``x``.

    Args:
        values: A number or a tensor. A ``torch.nn.Parameter`` is learned; any other tensor is fixed.
        shape: Shape that the tensor is viewed as before it is broadcast. By default its own shape.

    Example:
        >>> Add(2.0)(torch.ones(1, 3)).tolist()
        [[3.0, 3.0, 3.0]]
    """

    def __init__(self, values: float | Tensor, shape: Sequence[int] | None = None) -> None:
        check_arguments(Add.__init__, locals())
        super().__init__()
        self.values = _parameter(values)
        self.shape = _broadcast_shape(values, shape)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the values broadcast to the shape of ``x``."""
        _check_broadcast(x, self.shape)

    def footprint(self) -> tuple[Span, Span] | None:
        """Return the same position, or None if the coefficients differ between positions."""
        return _same_everywhere(self.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``x + b``."""
        return x + (self.values.view(self.shape) if isinstance(self.values, Tensor) else self.values)

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``x``."""
        return x

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``y``."""
        return y

    def gradients(self, local: Local, sides: Sides) -> Gradients:
        """Sweep 4: return ``c``, summed over the entries that share a value of ``b``."""
        if sides.c is None or not isinstance(self.values, Tensor) or not self.values.requires_grad:
            return {}
        return {"values": sides.c.sum_to_size(self.shape).view_as(self.values)}

    def extra_repr(self) -> str:
        """Return the number or the shape, for ``print``."""
        return f"shape={self.shape}" if isinstance(self.values, Tensor) else f"{self.values:g}"


def _same_everywhere(shape: tuple[int, ...]) -> tuple[Span, Span] | None:
    """Return the footprint of an entrywise map, or None if its coefficients differ between positions."""
    return (HERE, HERE) if math.prod(shape[-2:]) == 1 else None


def _parameter(values: float | Tensor) -> float | nn.Parameter:
    """Return a number or a parameter as it is, and any other tensor as a parameter that is not learned."""
    if isinstance(values, nn.Parameter):
        return values
    return nn.Parameter(values.detach(), requires_grad=False) if isinstance(values, Tensor) else float(values)


def _broadcast_shape(values: float | Tensor, shape: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape that ``values`` are viewed as before they are broadcast."""
    if shape is not None:
        return tuple(shape)
    return tuple(values.shape) if isinstance(values, Tensor) else ()


def _check_broadcast(x: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless ``shape`` broadcasts to the shape of ``x``."""
    if len(shape) > x.ndim or any(m not in (1, n) for m, n in zip(shape[::-1], x.shape[::-1], strict=False)):
        raise ValueError(f"expected a shape to which {shape} broadcasts, got {tuple(x.shape)}")
