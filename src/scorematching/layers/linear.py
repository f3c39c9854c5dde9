"""Dense and diagonal linear layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scorematching.layers.base import HERE, Coefficients, Span, channel_sum, channel_view
from scorematching.layers.families import Affine


class Linear(Affine):
    """Fully connected layer ``y = W x + b``: shape (N, inputs) to (N, outputs). Supplement, section 3.1.

    Args:
        inputs: Entries of ``x``.
        outputs: Entries of ``y``.
        bias: Whether to add a learned ``b``.

    Example:
        >>> Linear(3, 5)(torch.zeros(2, 3)).shape
        torch.Size([2, 5])
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        reference = nn.Linear(inputs, outputs, bias)
        self.weight = reference.weight
        self.bias = reference.bias

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, inputs)."""
        inputs = self.weight.shape[1]
        if x.ndim != 2 or x.shape[1] != inputs:
            raise ValueError(f"expected shape (N, {inputs}), got {tuple(x.shape)}")

    def multiplications(self, x: torch.Size, y: torch.Size) -> int:
        """One a weight."""
        return x.numel() * y.numel()

    def footprint(self) -> tuple[Span, Span]:
        """The same position."""
        return HERE, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """``W x``."""
        return x @ w.T

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """``W^T y``."""
        return y @ w

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """``y x^T``."""
        return y.T @ x

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        outputs, inputs = self.weight.shape
        return f"{inputs}, {outputs}" + ("" if self.bias is not None else ", bias=False")


class Scale(Affine):
    """Diagonal linear layer ``y = s∘x``, one factor a channel: shape (N, C, ...) to the same.

    Args:
        channels: Size of dimension 1.

    Example:
        >>> Scale(3)(torch.ones(1, 3)).tolist()
        [[1.0, 1.0, 1.0]]
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, channels, ...)."""
        if x.ndim < 2 or x.shape[1] != len(self.weight):
            raise ValueError(f"expected shape (N, {len(self.weight)}, ...), got {tuple(x.shape)}")

    def multiplications(self, x: torch.Size, y: torch.Size) -> int:
        """One an entry."""
        return x.numel()

    def footprint(self) -> tuple[Span, Span]:
        """The same position."""
        return HERE, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """``s∘x``."""
        return x * channel_view(w, x.ndim)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """``s∘y``: the map is its own adjoint."""
        return self.linear(y, w)

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """``y∘x``, summed a channel."""
        return channel_sum(y * x)

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return str(len(self.weight))
