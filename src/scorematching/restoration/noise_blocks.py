"""Blocks of pixels in which the noise of an image is looked for, and squares of large images."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

#: Side of a block in pixels, and minimum number of blocks.
SIDE, LEAST_BLOCKS = 8, 8
#: Largest number of pixels of which all are used, and side of the four squares that are used of larger images.
_WHOLE, _SQUARE = 256**2, 128
#: Fraction of the pixels of a block at the lowest value from which the block does not count.
_AT_FLOOR = 0.05


class Square(NamedTuple):
    """Part of an image, (C, 1, H, W), and which of its blocks are used, (C, 1, H / 8, W / 8)."""

    y: Tensor
    used: Tensor


def squares_of(data: Tensor, silent: Tensor) -> list[Square]:
    """Return the whole of a small image, or four squares of a large one, in which enough blocks are used.

    The squares are those with the least structure, one in each quarter of their order by brightness.
    """
    used = (pooled(silent.expand_as(data).double()) == 0) & (_spread(data) > 0)
    height, width = data.shape[2:]
    if height * width <= _WHOLE or min(height, width) < _SQUARE or not bool(used.any()):
        return [Square(data, used)]
    side, squares = _SQUARE // SIDE, []
    for top in range(0, used.shape[2] - side + 1, side):
        for left in range(0, used.shape[3] - side + 1, side):
            y = data[..., SIDE * top :, SIDE * left :][..., :_SQUARE, :_SQUARE]
            squares.append(Square(y, used[..., top : top + side, left : left + side]))
    most = max(float(square.used.double().mean()) for square in squares)
    squares = [square for square in squares if bool(square.used.any()) and square.used.double().mean() >= most / 2]
    means = [(square, pooled(square.y)[square.used]) for square in squares]
    means.sort(key=lambda pair: float(pair[1].mean()))
    quarters = [means[len(means) * k // 4 : len(means) * (k + 1) // 4] for k in range(4)]
    return [min(quarter, key=lambda pair: float(pair[1].std(correction=0)))[0] for quarter in quarters if quarter]


def without_lowest(squares: list[Square], black: float) -> list[Square]:
    """Return squares without the blocks that are clipped at the lowest value, if enough others remain."""
    rest = [s._replace(used=s.used & (pooled((s.y == black).double()) < _AT_FLOOR)) for s in squares]
    return rest if sum(int(square.used.sum()) for square in rest) >= LEAST_BLOCKS else squares


def pooled(planes: Tensor) -> Tensor:
    """Return the means of blocks, (C, 1, H, W) to (C, 1, H / 8, W / 8)."""
    return F.avg_pool2d(planes, SIDE)


def _spread(planes: Tensor) -> Tensor:
    """Return the range of values in each block."""
    return F.max_pool2d(planes, SIDE) + F.max_pool2d(-planes, SIDE)
