"""Tiles of images with mirrored borders, so that memory does not grow with the image."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor


class Tile(NamedTuple):
    """Tile of an image, and its surroundings.

    Attributes:
        rows: Row indices of the tile and its margins in the image, shape (H', 1). Beyond the border they are mirrored.
        columns: Column indices, shape (W',).
        down: Rows of the tile, without its margins. They may end below the image.
        across: Columns of the tile.
        margin: Width of the margins in pixels.
    """

    rows: Tensor
    columns: Tensor
    down: slice
    across: slice
    margin: int

    def take(self, planes: Tensor) -> Tensor:
        """Return the tile of an image with its margins, shape (N, C, H', W')."""
        return planes[..., self.rows, self.columns]

    def put(self, result: Tensor, values: Tensor) -> None:
        """Write the values of the tile, given with its margins, into an image."""
        inner, m = result[..., self.down, self.across], self.margin
        height, width = inner.shape[2:]
        inner.copy_(values[..., m : m + height, m : m + width])


class Grid(NamedTuple):
    """Image with mirrored borders, from which tiles are cut.

    Attributes:
        rows: Row indices of the image and its margins, shape (H',).
        columns: Column indices of the image and its margins, shape (W',).
        margin: Width of the margins. Below and to the right, the image may be extended to a multiple of a block.
    """

    rows: Tensor
    columns: Tensor
    margin: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the extended image, without its margins."""
        return len(self.rows) - 2 * self.margin, len(self.columns) - 2 * self.margin

    def tile(self, down: slice, across: slice) -> Tile:
        """Cut a tile."""
        m = self.margin
        return Tile(
            self.rows[down.start : down.stop + 2 * m, None],
            self.columns[across.start : across.stop + 2 * m],
            down,
            across,
            m,
        )

    def tiles(
        self, side: int, down: slice | None = None, across: slice | None = None, at: tuple[int, int] = (0, 0)
    ) -> list[Tile]:
        """Cut a part of the image, by default all of it, into tiles of a maximum side.

        Args:
            side: Maximum side of a tile.
            down: Rows of the part.
            across: Columns of the part.
            at: Row and column of a larger image at which this one starts. The larger one is cut at multiples of
                ``side``.
        """
        height, width = self.size
        return [
            self.tile(i, j)
            for i in _parts(down or slice(0, height), side, at[0] % side)
            for j in _parts(across or slice(0, width), side, at[1] % side)
        ]


def squares(height: int, width: int, side: int) -> list[tuple[slice, slice]]:
    """Return the rows and columns of the squares of a maximum side that an image consists of.

    Example:
        >>> squares(3, 5, 4)
        [(slice(0, 3, None), slice(0, 4, None)), (slice(0, 3, None), slice(4, 5, None))]
    """
    return list(itertools.product(_parts(slice(0, height), side, 0), _parts(slice(0, width), side, 0)))


def _parts(whole: slice, side: int, start: int) -> list[slice]:
    cuts = [whole.start, *(cut for cut in range(-start, whole.stop, side) if cut > whole.start), whole.stop]
    return [slice(first, last) for first, last in itertools.pairwise(cuts)]


def mirrored(size: int, before: int, behind: int, device: torch.device) -> Tensor:
    """Return the row indices of an image with mirrored surroundings."""
    places = torch.arange(-before, size + behind, device=device).abs()
    return size - 1 - (size - 1 - places).abs()
