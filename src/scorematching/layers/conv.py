"""Convolutions: linear layers that apply the same coefficients at every position of an image or a signal."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from scorematching.layers.base import HERE, Coefficients, Span
from scorematching.layers.correlation import correlate, is_direct
from scorematching.layers.families import Affine
from scorematching.runtime.kinds import check_arguments


def _pair(values: object) -> tuple[int, int]:
    """Return (height, width) from an attribute of a ``torch.nn`` convolution."""
    if isinstance(values, str):
        raise ValueError(f"padding must be given in pixels, as an integer or (height, width), got {values!r}")
    height, width = cast(tuple[int, int], values)
    return height, width


def _check_groups(inputs: int, outputs: int, groups: int) -> None:
    """Raise ``ValueError`` unless the channels can be split into groups of one size."""
    if inputs % groups or outputs % groups:
        raise ValueError(f"inputs and outputs must be multiples of groups, got {inputs}, {outputs} and {groups}")


class _Convolution(Affine):
    """Geometry shared by a convolution and its transpose.

    :meth:`convolve` and :meth:`spread` are the adjoints of one another.
    """

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
        """Correlate ``x`` with the kernels ``w``."""
        if self.plain:
            return correlate(x, w, self.padding)
        return F.conv2d(x, w, None, self.stride, self.padding, self.dilation, self.groups)

    def spread(self, y: Tensor, w: Tensor, size: tuple[int, ...]) -> Tensor:
        """Apply the adjoint of :meth:`convolve` to ``y``; the result has height and width ``size``."""
        around = tuple(k - 1 - p for k, p in zip(self.kernel, self.padding, strict=True))
        if self.plain and min(around) >= 0 and not is_direct(w.shape[1], self.kernel):
            return correlate(y, w.flip(2, 3).transpose(0, 1), around)
        geometry = zip(size, y.shape[2:], self.stride, self.padding, self.extent, strict=True)
        rest = tuple(n - ((m - 1) * s - 2 * p + k) for n, m, s, p, k in geometry)
        return F.conv_transpose2d(y, w, None, self.stride, self.padding, rest, self.groups, self.dilation)

    def kernel_gradient(self, y: Tensor, x: Tensor) -> Tensor:
        """Return the gradient of ``<y, convolve(x, w)>`` with respect to ``w``."""
        shape = (*self.weight.shape[:2], *self.kernel)
        return conv2d_weight(x, shape, y, self.stride, self.padding, self.dilation, self.groups)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, inputs, H, W)."""
        if x.ndim != 4 or x.shape[1] != self.inputs:
            raise ValueError(f"expected shape (N, {self.inputs}, H, W), got {tuple(x.shape)}")

    def extra_repr(self) -> str:
        """Return the sizes, for ``print``."""
        channels, kernel = tuple(self.weight.shape[:2]), tuple(self.weight.shape[2:])
        return (
            f"{channels}, kernel={kernel}, stride={self.stride}, padding={self.padding}, groups={self.groups}, "
            f"dilation={self.dilation}"
        )


class Conv2d(_Convolution):
    """Convolution of shape (N, inputs, H, W) to (N, outputs, H', W').

    As in PyTorch, the operation is a cross-correlation: the filters are not flipped.

    Args:
        inputs: Channels of ``x``.
        outputs: Channels of ``y``, the number of filters.
        kernel: Side of a filter in pixels, or (height, width).
        stride: Distance between neighboring positions of the filters, in pixels.
        padding: Rows and columns of zeros added at each border.
        groups: Number of blocks of channels; channels of different blocks do not mix.
        bias: Whether to add one learned number per filter.
        dilation: Distance between neighboring coefficients of a filter, in pixels.

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
        if isinstance(padding, str):
            _pair(padding)
        check_arguments(Conv2d.__init__, locals())
        _check_groups(inputs, outputs, groups)
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias))

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, inputs, H, W), at least as large as a filter."""
        super().check_input(x)
        if any(n + 2 * p < k for n, p, k in zip(x.shape[2:], self.padding, self.extent, strict=True)):
            raise ValueError(f"expected H and W of at least {self.extent} including padding, got {tuple(x.shape[2:])}")

    def footprint(self) -> tuple[Span, Span]:
        """Return the window of the filter."""
        geometry = zip(self.stride, self.padding, self.extent, strict=True)
        height, width = (Span(Fraction(s), Fraction(-p), Fraction(k - 1 - p)) for s, p, k in geometry)
        return height, width

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return the responses of the filters to ``x``."""
        return self.convolve(x, w)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return the sum of the filters at all positions, weighted by ``y``."""
        return self.spread(y, w, shape[2:])

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Correlate ``y`` with ``x``; the result has the shape of the filters."""
        return self.kernel_gradient(y, x)


class Conv1d(Conv2d):
    """Convolution of signals, shape (N, inputs, L) to (N, outputs, L').

    As in PyTorch, the operation is a cross-correlation: the filters are not flipped. It is computed as a convolution of
    images of one row.

    Args:
        inputs: Channels of ``x``.
        outputs: Channels of ``y``, the number of filters.
        kernel: Length of a filter.
        stride: Distance between neighboring positions of the filters.
        padding: Number of zeros added at each end.
        groups: Number of blocks of channels; channels of different blocks do not mix.
        bias: Whether to add one learned number per filter.
        dilation: Distance between neighboring coefficients of a filter.

    Example:
        >>> Conv1d(1, 8, 5)(torch.zeros(2, 1, 12)).shape
        torch.Size([2, 8, 8])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int = 1,
    ) -> None:
        check_arguments(Conv1d.__init__, locals())
        _check_groups(inputs, outputs, groups)
        super().__init__(inputs, outputs, (1, kernel), (1, stride), (0, padding), groups, bias, (1, dilation))
        self.weight = nn.Parameter(self.weight.detach().squeeze(2))

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, inputs, L), at least as long as a filter."""
        if x.ndim != 3 or x.shape[1] != self.inputs:
            raise ValueError(f"expected shape (N, {self.inputs}, L), got {tuple(x.shape)}")
        if x.shape[2] + 2 * self.padding[1] < self.extent[1]:
            raise ValueError(f"expected L of at least {self.extent[1]} including padding, got {x.shape[2]}")

    def footprint(self) -> tuple[Span, Span]:
        """Return the window of the filter. The positions of a signal take the place of the height of an image."""
        _, window = super().footprint()
        return window, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return the responses of the filters to ``x``."""
        return self.convolve(x.unsqueeze(2), w.unsqueeze(2)).squeeze(2)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return the sum of the filters at all positions, weighted by ``y``."""
        return self.spread(y.unsqueeze(2), w.unsqueeze(2), (1, shape[2])).squeeze(2)

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Correlate ``y`` with ``x``; the result has the shape of the filters."""
        return self.kernel_gradient(y.unsqueeze(2), x.unsqueeze(2)).squeeze(2)


class ConvTranspose2d(_Convolution):
    """Transposed convolution of shape (N, inputs, H, W) to (N, outputs, H', W').

    This is the adjoint of :class:`Conv2d`. With a stride above 1 it enlarges the image.

    Args:
        inputs: Channels of ``x``.
        outputs: Channels of ``y``.
        kernel: Side of a filter in pixels, or (height, width).
        stride: Distance, in the output, between the filters of neighboring entries of ``x``.
        padding: Rows and columns removed at each border.
        output_padding: Rows and columns added at the bottom and right. A strided convolution maps several input sizes
            to one output size; this number selects among them.
        groups: Number of blocks of channels; channels of different blocks do not mix.
        bias: Whether to add one learned number per output channel.
        dilation: Distance between neighboring coefficients of a filter, in pixels.

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
        check_arguments(ConvTranspose2d.__init__, locals())
        _check_groups(inputs, outputs, groups)
        reference = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, output_padding, groups, bias, dilation)
        super().__init__(reference)
        self.output_padding = _pair(reference.output_padding)

    def footprint(self) -> tuple[Span, Span]:
        """Return the input positions whose filters reach an output position."""
        geometry = zip(self.stride, self.padding, self.extent, strict=True)
        height, width = (Span(Fraction(1, s), Fraction(p - k + 1, s), Fraction(p, s)) for s, p, k in geometry)
        return height, width

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return the sum of the filters at all positions, weighted by ``x``."""
        geometry = zip(x.shape[2:], self.stride, self.padding, self.extent, self.output_padding, strict=True)
        return self.spread(x, w, tuple((n - 1) * s - 2 * p + k + o for n, s, p, k, o in geometry))

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return the responses of the filters to ``y``."""
        return self.convolve(y, w)

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Correlate ``x`` with ``y``; the result has the shape of the filters."""
        return self.kernel_gradient(x, y)
