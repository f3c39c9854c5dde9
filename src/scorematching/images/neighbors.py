"""Neighbors of an image: the frames of a movie or slices of a volume before and after it, or its other channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

#: Side in pixels of the blocks whose means tell the level of an image.
_BLOCK = 8
#: Largest number of times that the level is found, each time without the blocks where the scene has changed.
_ROUNDS = 20
#: Distance of changed blocks from the others, in multiples of the median.
_CHANGED = 4.0
#: Largest gain that the blocks tell. Beyond it, one image may be all but blank, and the pixels tell the gain: so noise
#: alone does not become stronger than the image.
_LARGEST_GAIN = 10.0


class Level(NamedTuple):
    """Change of the values of a neighbor to the level of an image: ``gain * neighbor + offset``."""

    gain: float = 1.0
    offset: float = 0.0

    def apply(self, neighbor: np.ndarray) -> np.ndarray:
        """Return the neighbor at the level of the image, float64; unchanged for the gain 1 and the offset 0.

        An alpha channel is not changed.

        Example:
            >>> Level(2.0, 1.0).apply(np.array([3], np.uint8)).tolist()
            [7.0]
        """
        if self == (1.0, 0.0):
            return neighbor
        changed = neighbor.astype(np.float64)
        changed[..., : _colors(neighbor)] = self.gain * changed[..., : _colors(neighbor)] + self.offset
        return changed


def level_of(neighbor: np.ndarray, image: np.ndarray) -> Level:
    """Return the change of level from a neighbor to an image, as bleaching or a lamp makes it.

    The means over blocks of 8 x 8 pixels of both have the same mean and standard deviation after it. Blocks where the
    scene has changed do not count, nor those that are equal, such as a border of zeros.

    Args:
        neighbor: Image of the same scene.
        image: Image, of the same shape.

    Returns:
        The change; none if the images have nothing in common, or are smaller than 16 x 16 pixels.

    Example:
        >>> scene = np.outer(np.arange(64.0), np.ones(64)) + 100
        >>> [round(value, 6) for value in level_of(0.8 * scene, scene + 3)]
        [1.25, 3.0]
    """
    if min(image.shape[:2]) < 2 * _BLOCK:
        return Level()
    first, second = (_block_means(one) for one in (neighbor, image))
    counted = np.isfinite(first) & np.isfinite(second) & (first != second)
    if counted.sum() < 4:
        return Level()
    level = Level()
    for _ in range(_ROUNDS):
        (a, b) = first[counted], second[counted]
        if not a.std() or not b.std():
            return Level()
        gain = float(b.std() / a.std())
        level = Level(gain, float(b.mean() - gain * a.mean()))
        distance = np.abs(level.gain * first + level.offset - second)
        usual = np.median(distance[counted])
        before, counted = counted, (first != second) & (distance <= _CHANGED * usual)
        if counted.sum() < 4 or (counted == before).all():
            break
    return level if 1 / _LARGEST_GAIN < level.gain < _LARGEST_GAIN else _level_of_pixels(neighbor, image)


def _level_of_pixels(neighbor: np.ndarray, image: np.ndarray) -> Level:
    """Return the change after which all values have the same mean and standard deviation."""
    (a, b), (c, d) = ((one.mean(), one.std()) for one in map(_values, (neighbor, image)))
    return Level(float(d / b), float(c - d / b * a)) if b and d else Level()


def _values(image: np.ndarray) -> np.ndarray:
    """Return the finite values of all colors."""
    colors = image[..., : _colors(image)].astype(np.float64)
    return colors[np.isfinite(colors)]


def _block_means(image: np.ndarray) -> np.ndarray:
    """Return the means of whole blocks, flat, for all colors; NaN where a value is missing."""
    height, width = (n // _BLOCK for n in image.shape[:2])
    part = image[: height * _BLOCK, : width * _BLOCK].astype(np.float64).reshape(height, _BLOCK, width, _BLOCK, -1)
    colors = part[..., : _colors(image)] if image.ndim == 3 else part
    return colors.mean((1, 3)).ravel()


def _colors(image: np.ndarray) -> int | None:
    """Return the end of the colors in the last axis: the last channel of two or four is alpha."""
    return -1 if image.ndim == 3 and image.shape[2] in (2, 4) else None


def is_blank(image: np.ndarray) -> bool:
    """Return True for an image without content: all its finite values are equal, or there is none.

    Alpha does not count.

    Example:
        >>> is_blank(np.full((4, 6), np.nan)), is_blank(np.eye(3))
        (True, False)
    """
    colors = image[..., : _colors(image)]
    values = colors[np.isfinite(colors)] if image.dtype.kind == "f" else colors
    return not values.size or bool((values == values.flat[0]).all())


def lines(sizes: Sequence[int], letters: str) -> list[list[int]]:
    """Return the images of an array that are neighbors: along time, or else along depth, or else channels.

    Args:
        sizes: Sizes of the axes that count the images.
        letters: Their letters. If there are not several images along T, Z or C, there are no neighbors.

    Returns:
        Numbers of the images, in the order of the array, line by line.

    Example:
        >>> lines((3, 2), "TC")
        [[0, 2, 4], [1, 3, 5]]
    """
    numbers = np.arange(int(np.prod(sizes))).reshape(tuple(sizes))
    along = next((letter for letter in "TZC" if letter in letters and sizes[letters.index(letter)] > 1), None)
    if along is None:
        return [[int(number)] for number in numbers.ravel()]
    axis = letters.index(along)
    return np.moveaxis(numbers, axis, -1).reshape(-1, sizes[axis]).tolist()


def find_neighbors(line: Sequence[int], blank: Sequence[bool], count: int) -> dict[int, list[int]]:
    """Return the neighbors of each image of a line.

    They are the nearest images that are not blank: ``count`` before it and ``count`` after it, or more on one side
    where the other one has too few. If all others are too few, they are counted twice, as the other one of two
    channels.

    Args:
        line: Numbers of images that follow one another.
        blank: Whether an image is blank, by its number.
        count: Number of neighbors on each side.

    Returns:
        Numbers of the neighbors, in their order, for each image that is not blank.

    Raises:
        ValueError: There are too few images.

    Example:
        >>> find_neighbors([0, 1, 2, 3], [False, False, True, False], 1)
        {0: [3, 1], 1: [0, 3], 3: [1, 0]}
        >>> find_neighbors([0, 1], [False, False], 1)
        {0: [1, 1], 1: [0, 0]}
    """
    usable = [number for number in line if not blank[number]]
    if len(usable) <= count:
        raise ValueError(
            f"neighbors={count} needs {count + 1} frames, slices or channels or more that are not blank, got "
            f"{len(usable)}: pass them as one stack, or take fewer neighbors"
        )
    found = {}
    for place, number in enumerate(usable):
        if len(usable) <= 2 * count:
            others = usable[:place] + usable[place + 1 :]
            found[number] = (others * 2)[: 2 * count]
            continue
        before, after = usable[:place][-count:], usable[place + 1 :][:count]
        before = usable[place + 1 + count :][: count - len(before)][::-1] + before
        after += usable[: max(place - count, 0)][::-1][: count - len(after)]
        found[number] = before + after
    return found
