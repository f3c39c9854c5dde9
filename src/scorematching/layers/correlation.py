"""Correlation of images with filters, by the fastest formulation for its size.

The convolution kernels of a CPU compute as many output channels at once as a vector register holds. Where there are
fewer, as in the adjoint of the filters of a gray image, most of each register is idle. There the pixels of a square
block become channels: the filters are laid out once for each place in the block, and a strided correlation with these
wider filters gives whole blocks. Large filters go by Fourier transforms. The values are those of the plain
correlation, up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: Output channels that a CPU's kernels compute at once.
LANES = 16
#: Sides of filters from which on Fourier transforms take less time.
LARGE = 23
#: Below so many multiplications a correlation takes no longer than laying out the wider filters.
FEW = 4_000_000


def correlate(x: Tensor, w: Tensor, padding: Sequence[int]) -> Tensor:
    """Plain correlation: (N, C, H, W) with filters (K, C, h, w) to (N, K, H', W'), with zeros at the borders.

    Args:
        x: Images.
        w: Filters.
        padding: Zeros at each border, (height, width).

    Example:
        >>> x, w = torch.randn(1, 48, 60, 60), torch.randn(1, 48, 5, 5)
        >>> torch.allclose(correlate(x, w, (4, 4)), F.conv2d(x, w, padding=4), atol=1e-3)
        True
    """
    outputs, kernel = len(w), tuple(w.shape[2:])
    few = len(x) * x.shape[2:].numel() * w.numel() < FEW
    if x.device.type != "cpu" or few or is_direct(outputs, kernel):
        return F.conv2d(x, w, padding=tuple(padding))
    return (
        _by_fourier(x, w, padding) if min(kernel) >= LARGE else _in_blocks(x, w, padding, block_side(outputs, kernel))
    )


def is_direct(outputs: int, kernel: Sequence[int]) -> bool:
    """Whether torch's own correlation takes the least time.

    Example:
        >>> is_direct(48, (7, 7)), is_direct(1, (7, 7)), is_direct(48, (31, 31))
        (True, False, False)
    """
    return min(kernel) < LARGE and block_side(outputs, kernel) == 1


def block_side(outputs: int, kernel: Sequence[int]) -> int:
    """The side of the blocks that leave the least work, by what fills the registers; 1 where none is worth while.

    Example:
        >>> block_side(1, (7, 7)), block_side(48, (7, 7))
        (4, 1)
    """

    def work(side: int) -> float:
        filled = LANES * math.ceil(outputs * side**2 / LANES)
        return filled * math.prod(k + side - 1 for k in kernel) / side**2

    best = min((1, 2, 3, 4), key=work)
    return best if 1.3 * work(best) < work(1) else 1


def _in_blocks(x: Tensor, w: Tensor, padding: Sequence[int], side: int) -> Tensor:
    """The correlation by blocks of ``side`` x ``side`` pixels."""
    outputs, inputs, *kernel = w.shape
    places = torch.eye(side**2, dtype=w.dtype, device=w.device).view(-1, 1, side, side)
    spread = F.conv_transpose2d(places, w.reshape(1, -1, *kernel))  # (side^2, outputs inputs, ...): w at each place
    wide = spread.unflatten(1, (outputs, inputs)).transpose(0, 1).flatten(0, 1)
    height, width = (n + 2 * p - k + 1 for n, p, k in zip(x.shape[2:], padding, kernel, strict=True))
    rows, columns = -height % side, -width % side  # what the last blocks lack is added on all sides, and cut off
    blocks = F.conv2d(x, wide, stride=side, padding=(padding[0] + rows, padding[1] + columns))
    return F.pixel_shuffle(blocks, side)[:, :, rows : rows + height, columns : columns + width]


def _by_fourier(x: Tensor, w: Tensor, padding: Sequence[int]) -> Tensor:
    """The correlation as a product of Fourier transforms."""
    padded = F.pad(x, [padding[1], padding[1], padding[0], padding[0]])
    size = padded.shape[2:]
    product = torch.einsum("nchw,kchw->nkhw", torch.fft.rfft2(padded), torch.fft.rfft2(w, s=size).conj())
    height, width = (n - k + 1 for n, k in zip(size, w.shape[2:], strict=True))
    return torch.fft.irfft2(product, s=size)[:, :, :height, :width].contiguous()
