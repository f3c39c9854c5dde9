"""Convolutions: linear layers whose coefficients are shared over the image."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from scorematching.layers.base import Coefficients, Span
from scorematching.layers.correlation import correlate, is_direct
from scorematching.layers.families import Affine


def _pair(values: object) -> tuple[int, int]:
    """(height, width), of what ``torch.nn`` keeps."""
    if isinstance(values, str):
        raise ValueError(f"padding must be given in pixels, got {values!r}")
    height, width = cast(tuple[int, int], values)
    return height, width


class _Convolution(Affine):
    """The geometry that a convolution and its transpose share: ``convolve`` and ``spread`` are adjoints."""

    def __init__(self, reference: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight = reference.weight
        self.bias = reference.bias  # type: ignore[assignment]  # torch says Tensor, it is a Parameter
        self.kernel = _pair(reference.kernel_size)
        self.stride, self.padding, self.groups = _pair(reference.stride), _pair(reference.padding), reference.groups
        self.dilation = _pair(reference.dilation)
        self.extent = tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))
        self.plain = self.stride == self.dilation == (1, 1) and self.groups == 1
        self.inputs = reference.in_channels

    def convolve(self, x: Tensor, w: Tensor) -> Tensor:
        """Correlation of ``x`` with the kernels ``w``."""
        if self.plain:
            return correlate(x, w, self.padding)
        return F.conv2d(x, w, None, self.stride, self.padding, self.dilation, self.groups)

    def spread(self, y: Tensor, w: Tensor, size: tuple[int, ...]) -> Tensor:
        """Adjoint of :meth:`convolve` from ``y`` to an image of height and width ``size``."""
        around = tuple(k - 1 - p for k, p in zip(self.kernel, self.padding, strict=True))
        if self.plain and min(around) >= 0 and not is_direct(w.shape[1], self.kernel):
            return correlate(y, w.flip(2, 3).transpose(0, 1), around)
        geometry = zip(size, y.shape[2:], self.stride, self.padding, self.extent, strict=True)
        rest = tuple(n - ((m - 1) * s - 2 * p + k) for n, m, s, p, k in geometry)
        return F.conv_transpose2d(y, w, None, self.stride, self.padding, rest, self.groups, self.dilation)

    def kernel_gradient(self, y: Tensor, x: Tensor) -> Tensor:
        """Gradient of ``<y, convolve(x, w)>`` by ``w``."""
        return conv2d_weight(x, self.weight.shape, y, self.stride, self.padding, self.dilation, self.groups)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, inputs, H, W)."""
        if x.ndim != 4 or x.shape[1] != self.inputs:
            raise ValueError(f"expected shape (N, {self.inputs}, H, W), got {tuple(x.shape)}")

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        channels, kernel = tuple(self.weight.shape[:2]), tuple(self.weight.shape[2:])
        return (
            f"{channels}, kernel={kernel}, stride={self.stride}, padding={self.padding}, groups={self.groups}, "
            f"dilation={self.dilation}"
        )


class Conv2d(_Convolution):
    """Convolution (correlation, as everywhere in deep learning): (N, inputs, H, W) to (N, outputs, H', W').

    Args:
        inputs: Channels of ``x``.
        outputs: Channels of ``y``, the number of filters.
        kernel: Side of a filter, or (height, width).
        stride: Step of the filters.
        padding: Zeros added at each border.
        groups: Blocks of channels that do not mix.
        bias: Whether to add a learned number a filter.
        dilation: Distance of the entries that neighboring coefficients of a filter meet.

    Example:
        >>> Conv2d(1, 8, 5)(torch.zeros(2, 1, 12, 12)).shape
        torch.Size([2, 8, 8, 8])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int] = 1,
    ) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias))

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, inputs, H, W), H and W no smaller than the filters."""
        super().check_input(x)
        if any(n + 2 * p < k for n, p, k in zip(x.shape[2:], self.padding, self.extent, strict=True)):
            raise ValueError(f"expected H and W of {self.extent} or more with padding, got {tuple(x.shape[2:])}")

    def footprint(self) -> tuple[Span, Span]:
        """The filter's window."""
        geometry = zip(self.stride, self.padding, self.extent, strict=True)
        height, width = (Span(Fraction(s), Fraction(-p), Fraction(k - 1 - p)) for s, p, k in geometry)
        return height, width

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Responses of the filters."""
        return self.convolve(x, w)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Sum of the filters, weighted by ``y``."""
        return self.spread(y, w, shape[2:])

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Correlation of ``y`` with ``x``, in the shape of the filters."""
        return self.kernel_gradient(y, x)


class ConvTranspose2d(_Convolution):
    """Transpose of :class:`Conv2d`, which enlarges: (N, inputs, H, W) to (N, outputs, H', W').

    Args:
        inputs: Channels of ``x``.
        outputs: Channels of ``y``.
        kernel: Side of a filter, or (height, width).
        stride: Distance at which neighboring entries of ``x`` spread their filters.
        padding: Rows and columns cut off at each border.
        output_padding: Rows and columns added at the bottom and right, to tell the sizes apart that a strided
            convolution maps to the same.
        groups: Blocks of channels that do not mix.
        bias: Whether to add a learned number an output channel.
        dilation: As in :class:`Conv2d`.

    Example:
        >>> ConvTranspose2d(8, 1, 5)(torch.zeros(2, 8, 8, 8)).shape
        torch.Size([2, 1, 12, 12])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        output_padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int] = 1,
    ) -> None:
        reference = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, output_padding, groups, bias, dilation)
        super().__init__(reference)
        self.output_padding = _pair(reference.output_padding)

    def footprint(self) -> tuple[Span, Span]:
        """The positions whose filters reach here."""
        geometry = zip(self.stride, self.padding, self.extent, strict=True)
        height, width = (Span(Fraction(1, s), Fraction(p - k + 1, s), Fraction(p, s)) for s, p, k in geometry)
        return height, width

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Sum of the filters, weighted by ``x``."""
        geometry = zip(x.shape[2:], self.stride, self.padding, self.extent, self.output_padding, strict=True)
        return self.spread(x, w, tuple((n - 1) * s - 2 * p + k + o for n, s, p, k, o in geometry))

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Responses of the filters."""
        return self.convolve(y, w)

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Correlation of ``x`` with ``y``, in the shape of the filters."""
        return self.kernel_gradient(x, y)
