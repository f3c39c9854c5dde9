"""Affine layers that add up entries, and the one that copies them: sums, means, weighted sums, pooling, expansion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorematching.layers.base import AffineLocal, Coefficients, Span, channel_view
from scorematching.layers.families import Affine
from scorematching.layers.shapes import check_channels
from scorematching.runtime.kinds import check_arguments


class Sum(Affine):
    """Sum of all entries of a sample, times a fixed factor: shape (N, ...) to (N,).

    Args:
        factor: Factor of the sum.

    Example:
        >>> Sum(0.5)(torch.ones(2, 3))
        tensor([1.5000, 1.5000])
    """

    def __init__(self, factor: float = 1.0) -> None:
        check_arguments(Sum.__init__, locals())
        super().__init__()
        self.weight = float(factor)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, ...)."""
        if x.ndim < 2:
            raise ValueError(f"expected shape (N, ...), got {tuple(x.shape)}")

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return the sum, times the factor."""
        return w * x.flatten(1).sum(1)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``y`` times the factor, broadcast to the shape of the input."""
        return (w * y).view(-1, *[1] * (len(shape) - 1)).expand(shape)

    def extra_repr(self) -> str:
        """Return the factor, for ``print``."""
        return "" if self.weight == 1 else f"{self.weight:g}"


class SumOver(Affine):
    """Sum or mean over some dimensions of a sample. The result does not have these dimensions.

    Args:
        dims: Dimensions to sum over, 1 or more; dimension 0 is the batch.
        mean: Whether to return the mean instead of the sum.

    Example:
        >>> SumOver([2, 3], mean=True)(torch.ones(5, 4, 2, 3)).shape
        torch.Size([5, 4])
    """

    def __init__(self, dims: Sequence[int], mean: bool = False) -> None:
        check_arguments(SumOver.__init__, locals())
        super().__init__()
        self.dims, self.mean = tuple(dims), mean
        self.weight = 1.0

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` has all the dimensions to sum over."""
        if x.ndim <= max(self.dims):
            raise ValueError(f"expected {max(self.dims) + 1} dimensions or more, got shape {tuple(x.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return the sum or the mean."""
        return self.linear(x, self._factor(x))

    def local(self, x: Tensor, curvature: bool = True) -> AffineLocal:
        """Return the input, the factor and its square."""
        return AffineLocal(x, self._factor(x), self._factor(x) ** 2)

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return the sum, times the factor."""
        return w * x.sum(self.dims)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``y`` times the factor, broadcast to the shape of the input."""
        kept = [1 if i in self.dims else n for i, n in enumerate(shape)]
        return (w * y).view(kept).expand(shape)

    def extra_repr(self) -> str:
        """Return the dimensions, for ``print``."""
        return f"{self.dims}, mean={self.mean}"

    def _factor(self, x: Tensor) -> float:
        """Return the factor of the sum: 1, or for a mean 1 / the number of summands."""
        return 1 / math.prod(x.shape[i] for i in self.dims) if self.mean else 1.0


class Expand(Affine):
    """Copy the entries along dimensions of size 1: shape (N, ...) to (N, *shape).

    Args:
        shape: Shape of one sample of the result, with as many dimensions as a sample of the input.

    Example:
        >>> Expand((2, 3))(torch.ones(5, 2, 1)).shape
        torch.Size([5, 2, 3])
    """

    def __init__(self, shape: Sequence[int]) -> None:
        check_arguments(Expand.__init__, locals())
        super().__init__()
        self.shape = tuple(shape)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless each dimension of a sample has size 1 or the size of the result."""
        if x.ndim != len(self.shape) + 1 or any(m not in (1, n) for m, n in zip(x.shape[1:], self.shape, strict=True)):
            raise ValueError(f"expected samples that broadcast to {self.shape}, got shape {tuple(x.shape)}")

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``x``, expanded."""
        return x.expand(-1, *self.shape)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``y``, summed over the copies of each entry."""
        return y.sum_to_size(shape)

    def extra_repr(self) -> str:
        """Return the shape, for ``print``."""
        return str(self.shape)


class WeightedSum(Affine):
    """Weighted sum of all entries, with one learned weight per channel: shape (N, channels, ...) to (N,).

    It is the last layer of a product of experts, ``E = sum_k w_k rho_k``.

    Args:
        channels: Size of dimension 1. The weights start at 1.

    Example:
        >>> WeightedSum(3)(torch.ones(2, 3)).tolist()
        [3.0, 3.0]
    """

    def __init__(self, channels: int) -> None:
        check_arguments(WeightedSum.__init__, locals())
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, channels, ...)."""
        check_channels(x, len(self.weight))

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``sum_k w_k x_k``."""
        return x.flatten(2).sum(2) @ w if x.ndim > 2 else x @ w

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``y w_k``, broadcast over the other dimensions."""
        ndim = len(shape)
        return (y.view(-1, *[1] * (ndim - 1)) * channel_view(w, ndim)).expand(shape)

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Return ``y x_k``, summed over the batch and the other dimensions."""
        return y @ (x.flatten(2).sum(2) if x.ndim > 2 else x)

    def extra_repr(self) -> str:
        """Return the sizes, for ``print``."""
        return str(len(self.weight))


class SumPool2d(Affine):
    """Sum pooling over windows of ``size`` x ``size`` pixels: (N, C, H, W) to (N, C, H', W').

    The windows are those of ``torch.nn.AvgPool2d`` without padding: rows and columns at the end that do not fill a
    window are ignored.

    Args:
        size: Side of a window in pixels.
        stride: Distance between neighboring windows in pixels. By default ``size``.

    Raises:
        ValueError: A number is not a positive integer.

    Example:
        >>> SumPool2d(2)(torch.ones(1, 1, 4, 5))
        tensor([[[[4., 4.],
                  [4., 4.]]]])
    """

    def __init__(self, size: int, stride: int | None = None) -> None:
        check_arguments(SumPool2d.__init__, locals())
        super().__init__()
        if not isinstance(size, int) or size < 1 or (stride is not None and stride < 1):
            raise ValueError(f"size and stride must be integers of 1 or more, got size={size}, stride={stride}")
        self.size, self.stride = size, stride or size
        self.weight = 1.0

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, C, H, W), at least as large as a window."""
        if x.ndim != 4 or min(x.shape[2:]) < self.size:
            raise ValueError(f"expected shape (N, C, H, W), H and W of at least {self.size}, got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """Return the window."""
        span = Span(Fraction(self.stride), Fraction(0), Fraction(self.size - 1))
        return span, span

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``w`` times the sum over each window."""
        return w * F.avg_pool2d(x, self.size, self.stride, divisor_override=1)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``w y``, spread over each window."""
        channels = shape[1]
        ones = y.new_ones(channels, 1, self.size, self.size)
        rest = [n - self.size - (m - 1) * self.stride for n, m in zip(shape[2:], y.shape[2:], strict=True)]
        return w * F.pad(F.conv_transpose2d(y, ones, stride=self.stride, groups=channels), (0, rest[1], 0, rest[0]))

    def extra_repr(self) -> str:
        """Return the sizes, for ``print``."""
        return f"{self.size}, stride={self.stride}"


class AvgPool2d(SumPool2d):
    """Average pooling over windows of ``size`` x ``size`` pixels: (N, C, H, W) to (N, C, H', W').

    Args:
        size: Side of a window in pixels.
        stride: Distance between neighboring windows in pixels. By default ``size``.

    Raises:
        ValueError: A number is not a positive integer.

    Example:
        >>> AvgPool2d(2)(torch.ones(1, 1, 4, 5)).shape
        torch.Size([1, 1, 2, 2])
    """

    def __init__(self, size: int, stride: int | None = None) -> None:
        check_arguments(AvgPool2d.__init__, locals())
        super().__init__(size, stride)
        self.weight = 1.0 / size**2
