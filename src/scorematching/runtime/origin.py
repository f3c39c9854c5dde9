"""Random numbers that belong to the pixels of an image, so that a tile of it gets those of the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

#: Rows and columns of the cells of an image. Each has a random number generator of its own.
_CELL = (64, 256)


class Origin(NamedTuple):
    """Place of the first pixel of a tile in its image, and the seed of the random numbers of the image.

    Attributes:
        top: Row of the image in which the tile starts.
        left: Column of the image in which the tile starts.
        seed: Seed of the random numbers of all pixels of the image.

    Example:
        >>> whole = Origin(seed=1).normal((2, 100, 300))
        >>> bool((Origin(60, 200, seed=1).normal((2, 40, 90)) == whole[:, 60:100, 200:290]).all())
        True
    """

    top: int = 0
    left: int = 0
    seed: int = 0

    def below(self, rows: int) -> Origin:
        """Return the origin of the part of the tile from a row on."""
        return self._replace(top=self.top + rows)

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return independent standard normal numbers of the pixels, shape (N, H, W)."""
        return self._drawn(shape, lambda random, size: random.standard_normal(size))

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return independent numbers between 0 and 1 of the pixels, shape (N, H, W)."""
        return self._drawn(shape, lambda random, size: random.random(size))

    def _drawn(
        self, shape: tuple[int, ...], draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    ) -> np.ndarray:
        result = np.empty(shape)
        for i in range(self.top // _CELL[0], -(-(self.top + shape[1]) // _CELL[0])):
            for j in range(self.left // _CELL[1], -(-(self.left + shape[2]) // _CELL[1])):
                cell = draw(np.random.default_rng((self.seed, i, j)), (shape[0], *_CELL))
                down, rows = _overlap(i * _CELL[0] - self.top, _CELL[0], shape[1])
                across, columns = _overlap(j * _CELL[1] - self.left, _CELL[1], shape[2])
                result[:, down, across] = cell[:, rows, columns]
        return result


def _overlap(start: int, size: int, end: int) -> tuple[slice, slice]:
    """Return the part of a tile, from 0 to ``end``, that a cell covers from ``start`` on, and the part of the cell."""
    first, last = max(start, 0), min(start + size, end)
    return slice(first, last), slice(first - start, last - start)
