"""Affine layers that add entries up: sums, means, weighted sums, pools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorematching.layers.base import AffineLocal, Coefficients, Span, channel_view
from scorematching.layers.families import Affine


class Sum(Affine):
    """Sum of all entries of a sample, times a fixed factor: shape (N, ...) to (N,).

    Args:
        factor: What the sum is multiplied by.
    """

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.weight = float(factor)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, ...)."""
        if x.ndim < 2:
            raise ValueError(f"expected shape (N, ...), got {tuple(x.shape)}")

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """The sum, times the factor."""
        return w * x.flatten(1).sum(1)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """``y`` times the factor, repeated."""
        return (w * y).view(-1, *[1] * (len(shape) - 1)).expand(shape)

    def extra_repr(self) -> str:
        """The factor, for ``print``."""
        return "" if self.weight == 1 else f"{self.weight:g}"


class SumOver(Affine):
    """Sum, or mean, over some of the dimensions of a sample, which are gone afterwards.

    Args:
        dims: Which, counted from 1, for dimension 0 is that of the samples.
        mean: Whether to divide by the number of summands.

    Example:
        >>> SumOver([2, 3], mean=True)(torch.ones(5, 4, 2, 3)).shape
        torch.Size([5, 4])
    """

    def __init__(self, dims: Sequence[int], mean: bool = False) -> None:
        super().__init__()
        self.dims, self.mean = tuple(dims), mean
        self.weight = 1.0

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` has all the dimensions."""
        if x.ndim <= max(self.dims):
            raise ValueError(f"expected {max(self.dims) + 1} dimensions or more, got shape {tuple(x.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        return self.linear(x, self._factor(x))

    def local(self, x: Tensor, curvature: bool = True) -> AffineLocal:
        """Return the input, the factor and its square."""
        return AffineLocal(x, self._factor(x), self._factor(x) ** 2)

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """The sum, times the factor."""
        return w * x.sum(self.dims)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """``y`` times the factor, repeated."""
        kept = [1 if i in self.dims else n for i, n in enumerate(shape)]
        return (w * y).view(kept).expand(shape)

    def extra_repr(self) -> str:
        """The dimensions, for ``print``."""
        return f"{self.dims}, mean={self.mean}"

    def _factor(self, x: Tensor) -> float:
        """What the sum is multiplied by."""
        return 1 / math.prod(x.shape[i] for i in self.dims) if self.mean else 1.0


class WeightedSum(Affine):
    """Sum of all entries with one learned weight a channel: shape (N, channels, ...) to (N,).

    The head of a product of experts, ``E = sum_k w_k rho_k``.

    Args:
        channels: Size of dimension 1. The weights start at 1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, channels, ...)."""
        if x.ndim < 2 or x.shape[1] != len(self.weight):
            raise ValueError(f"expected shape (N, {len(self.weight)}, ...), got {tuple(x.shape)}")

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """``sum_k w_k x_k``."""
        return x.flatten(2).sum(2) @ w if x.ndim > 2 else x @ w

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """``y w_k``, repeated over the other dimensions."""
        ndim = len(shape)
        return (y.view(-1, *[1] * (ndim - 1)) * channel_view(w, ndim)).expand(shape)

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """``y x_k``, summed over the batch and the other dimensions."""
        return y @ (x.flatten(2).sum(2) if x.ndim > 2 else x)

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return str(len(self.weight))


class SumPool2d(Affine):
    """Sums over squares of ``size`` x ``size``: (N, C, H, W) to (N, C, H', W'), as ``torch.nn.AvgPool2d`` lays them.

    Args:
        size: Side of a square, in entries.
        stride: Distance of two squares; ``size`` if not given. Rows and columns that fill no square are left out.

    Raises:
        ValueError: One of them is not positive.
    """

    def __init__(self, size: int, stride: int | None = None) -> None:
        super().__init__()
        if not isinstance(size, int) or size < 1 or (stride is not None and stride < 1):
            raise ValueError(f"size and stride must be whole numbers of 1 or more, got {size} and {stride}")
        self.size, self.stride = size, stride or size
        self.weight = 1.0

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, C, H, W), H and W no smaller than the squares."""
        if x.ndim != 4 or min(x.shape[2:]) < self.size:
            raise ValueError(f"expected shape (N, C, H, W), H and W {self.size} or more, got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """The square."""
        span = Span(Fraction(self.stride), Fraction(0), Fraction(self.size - 1))
        return span, span

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """``w`` times the sum over each square."""
        return w * F.avg_pool2d(x, self.size, self.stride, divisor_override=1)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Each entry spread over its square."""
        channels = shape[1]
        ones = y.new_ones(channels, 1, self.size, self.size)
        rest = [n - self.size - (m - 1) * self.stride for n, m in zip(shape[2:], y.shape[2:], strict=True)]
        return w * F.pad(F.conv_transpose2d(y, ones, stride=self.stride, groups=channels), (0, rest[1], 0, rest[0]))

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"{self.size}, stride={self.stride}"


class AvgPool2d(SumPool2d):
    """Means over squares of ``size`` x ``size``: (N, C, H, W) to (N, C, H', W'). Arguments as :class:`SumPool2d`."""

    def __init__(self, size: int, stride: int | None = None) -> None:
        super().__init__(size, stride)
        self.weight = 1.0 / size**2
