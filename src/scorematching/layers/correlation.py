"""Correlation of images with filters, by the fastest algorithm for the sizes at hand.

All algorithms give the same values, up to rounding:

- PyTorch's own convolution, with many output channels.
- A convolution in blocks, with few output channels. A CPU computes as many output channels at once as a vector register
  holds; with fewer channels, as in the adjoint of the filters of a grayscale image, most of the register is idle. Here
  the pixels of a square block become channels. The filters are copied to each position in the block, and a strided
  correlation with these larger filters computes a whole block at once.
- A product of Fourier transforms, with large filters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: Number of output channels that the convolution kernels of a CPU compute at once.
LANES = 16
#: Smallest side of a filter, in pixels, for which Fourier transforms are faster.
LARGE = 23
#: Below this number of multiplications, preparing the filters of a block takes longer than a plain correlation.
FEW = 4_000_000


def correlate(x: Tensor, w: Tensor, padding: Sequence[int]) -> Tensor:
    """Correlate images with filters, at stride 1.

    Args:
        x: Images, shape (N, C, H, W).
        w: Filters, shape (K, C, h, w).
        padding: Rows and columns of zeros added at each border, (height, width).

    Returns:
        Responses of the filters, shape (N, K, H', W').

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
    """Return True if PyTorch's own convolution is the fastest for filters of this size.

    Example:
        >>> is_direct(48, (7, 7)), is_direct(1, (7, 7)), is_direct(48, (31, 31))
        (True, False, False)
    """
    return min(kernel) < LARGE and block_side(outputs, kernel) == 1


def block_side(outputs: int, kernel: Sequence[int]) -> int:
    """Return the side of the blocks that need the least work, in pixels, or 1 if blocks bring no gain.

    The work is estimated from the number of registers that a correlation fills.

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
    """Correlate in blocks of ``side`` x ``side`` pixels."""
    outputs, inputs, *kernel = w.shape
    places = torch.eye(side**2, dtype=w.dtype, device=w.device).view(-1, 1, side, side)
    spread = F.conv_transpose2d(places, w.reshape(1, -1, *kernel))  # (side^2, outputs inputs, ...): w at each position
    wide = spread.unflatten(1, (outputs, inputs)).transpose(0, 1).flatten(0, 1)
    height, width = (n + 2 * p - k + 1 for n, p, k in zip(x.shape[2:], padding, kernel, strict=True))
    rows, columns = -height % side, -width % side  # pad to whole blocks, and crop the result
    blocks = F.conv2d(x, wide, stride=side, padding=(padding[0] + rows, padding[1] + columns))
    return F.pixel_shuffle(blocks, side)[:, :, rows : rows + height, columns : columns + width]


def _by_fourier(x: Tensor, w: Tensor, padding: Sequence[int]) -> Tensor:
    """Correlate by a product of Fourier transforms."""
    padded = F.pad(x, [padding[1], padding[1], padding[0], padding[0]])
    size = padded.shape[2:]
    product = torch.einsum("nchw,kchw->nkhw", torch.fft.rfft2(padded), torch.fft.rfft2(w, s=size).conj())
    height, width = (n - k + 1 for n, k in zip(size, w.shape[2:], strict=True))
    return torch.fft.irfft2(product, s=size)[:, :, :height, :width].contiguous()
