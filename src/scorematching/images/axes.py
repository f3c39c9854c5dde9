"""Arrays of several images: their axes by letter, as in OME and bioio."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from scorematching.images.arrays import find_white
from scorematching.images.neighbors import find_neighbors, is_blank, lines
from scorematching.runtime.progress import ProgressCallback, subtask

#: Letters of axes: time, depth, channel, row, column, and samples of color.
LETTERS = "TZCYXS"
#: Letters of axes by their names.
_NAMES = {letter.lower(): letter for letter in LETTERS} | {
    **dict.fromkeys(("time", "frame", "frames"), "T"),
    **dict.fromkeys(("depth", "plane", "slice", "slices"), "Z"),
    **dict.fromkeys(("channel", "channels", "band", "wavelength"), "C"),
    **dict.fromkeys(("row", "rows", "height"), "Y"),
    **dict.fromkeys(("column", "columns", "width"), "X"),
    **dict.fromkeys(("sample", "samples", "color", "rgb", "rgba"), "S"),
}
#: Number of images of a channel in which noise is looked for.
_REPRESENTATIVES = 5


def check_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Return the letters of the axes of an array, which are one of ``"TZCYXS"`` for each dimension, with Y and X.

    Raises:
        TypeError: ``axes`` is not a string.
        ValueError: A letter is missing, unknown or there twice, their number is not that of the dimensions, or a side
            is 0.

    Example:
        >>> check_axes("TYX", (2, 4, 5))
        'TYX'
        >>> check_axes("TY", (3, 4))
        Traceback (most recent call last):
        ValueError: axes must be letters of TZCYXS with Y and X, each once, got 'TY'
    """
    if not isinstance(axes, str):
        raise TypeError(f"axes must be letters of {LETTERS}, got {axes!r}")
    if not set("YX") <= set(axes) <= set(LETTERS) or len(set(axes)) < len(axes):
        raise ValueError(f"axes must be letters of {LETTERS} with Y and X, each once, got {axes!r}")
    if len(axes) != len(shape):
        raise ValueError(f"axes {axes!r} are {len(axes)}, but the array has {len(shape)} dimensions: {shape}")
    if 0 in shape:
        raise ValueError(f"the array has a side of 0: {shape}")
    return axes


def letters_of(names: Iterable[object]) -> str:
    """Return the letters of axes with names; ``?`` for a name that is not known.

    Example:
        >>> letters_of(["time", "y", "x"]), letters_of(["step", "y", "x"])
        ('TYX', '?YX')
    """
    return "".join(_NAMES.get(str(name).lower(), "?") for name in names)


def images_last(axes: str) -> list[int]:
    """Return the order of the axes in which those of an image, Y, X and S, come last.

    Example:
        >>> images_last("YTX")
        [1, 0, 2]
    """
    apart = [letter for letter in axes if letter not in "YXS"]
    return [axes.index(letter) for letter in (*apart, *(letter for letter in "YXS" if letter in axes))]


def white_of_array(array: np.ndarray, axes: str, data_range: float | None = None) -> float:
    """Return one value of white for all images of an array: ``data_range``, or the largest of :func:`find_white`.

    Args:
        array: Array with any axes.
        axes: Letters of the axes, as in :func:`check_axes`.
        data_range: Value of white, if known.

    Raises:
        TypeError: As in :func:`find_white` and :func:`check_axes`.
        ValueError: As in :func:`find_white` and :func:`check_axes`.

    Example:
        >>> white_of_array(np.full((2, 4, 5), 300.0), "TYX")
        300.0
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"image must be a numpy array, got {type(array).__name__}: convert it with numpy.asarray")
    check_axes(axes, array.shape)
    return find_white(array.reshape(-1, array.shape[-1]), data_range, missing=True)


def representative(place: tuple[int, ...], sizes: tuple[int, ...], letters: str) -> tuple[int, ...]:
    """Return the place of the image whose noise stands for that of another.

    In a movie or volume of more than five images a channel, the noise is found in five of them, at equal distances, and
    each image has that of the nearest.

    Args:
        place: Place of an image along the axes that count images.
        sizes: Sizes of these axes.
        letters: Their letters.

    Example:
        >>> [representative((t, 1), (20, 2), "TC")[0] for t in range(20)]
        [2, 2, 2, 2, 6, 6, 6, 6, 10, 10, 10, 10, 14, 14, 14, 14, 18, 18, 18, 18]
    """
    along = [k for k, letter in enumerate(letters) if letter != "C"]
    lengths = tuple(sizes[k] for k in along)
    count = math.prod(lengths)
    if count <= _REPRESENTATIVES:
        return place
    number = int(np.ravel_multi_index([place[k] for k in along], lengths))
    group = _REPRESENTATIVES * number // count
    found = np.unravel_index((2 * group + 1) * count // (2 * _REPRESENTATIVES), lengths)
    near = dict(zip(along, map(int, found), strict=True))
    return tuple(near.get(k, n) for k, n in enumerate(place))


def over_images(
    function: Callable[..., Any],
    array: np.ndarray,
    axes: str,
    progress: ProgressCallback | None = None,
    find: Callable[[np.ndarray], Any] = lambda image: None,
    neighbors: int = 0,
) -> Any:
    """Apply a function to each image of an array.

    Args:
        function: Function of an image, (H, W) or (H, W, C), of what ``find`` returned for the image that stands for it,
            and of a keyword ``progress``. It returns one or several images of the same shape.
        array: Array with any axes.
        axes: Letters of the axes, as in :func:`check_axes`. An image keeps S as its last axis.
        progress: Called with the progress of all images.
        find: Function of an image that stands for others (:func:`representative`), which is called once for it.
        neighbors: Number of neighbors on each side (:func:`scorematching.images.neighbors.find_neighbors`), which the
            function gets as a keyword ``neighbors``, a list of images. Blank images are kept then.

    Raises:
        ValueError: A function raises one. The number of the image is added, if there are several. Or there are
            too few neighbors.

    Returns:
        The results, each with the axes and the shape of ``array``.

    Example:
        >>> movie = np.arange(24.0).reshape(4, 2, 3)
        >>> found = over_images(lambda image, _, progress: image - image.mean(), movie, "YTX")
        >>> found.shape, found.mean((0, 2)).tolist()
        ((4, 2, 3), [0.0, 0.0])
    """
    order = images_last(axes)
    moved = array.transpose(order)
    leading = "".join(letter for letter in axes if letter not in "YXS")
    sizes, results = moved.shape[: len(leading)], []
    places, found = list(np.ndindex(sizes)), dict[tuple[int, ...], Any]()
    numbers = {place: number for number, place in enumerate(places)}
    blank = [is_blank(moved[place]) for place in places]
    near: dict[int, list[int]] = {}
    for line in lines(sizes, leading) if neighbors else []:
        near |= find_neighbors(line, blank, neighbors)
    for k, place in enumerate(places):
        like = representative(place, sizes, leading)
        if blank[numbers[like]]:
            like = place
        try:
            if neighbors and blank[k]:  # it is kept
                found[like] = None
            elif like not in found:
                found[like] = find(np.ascontiguousarray(moved[like]))
            options = {"neighbors": [moved[places[n]] for n in near.get(k, [])]} if neighbors else {}
            of_image = subtask(progress, k, k + 1, parts=len(places))
            results.append(function(np.ascontiguousarray(moved[place]), found[like], progress=of_image, **options))
        except ValueError as error:
            raise ValueError(f"image {k + 1} of {len(places)}: {error}" if len(places) > 1 else str(error)) from None

    def arranged(found: Any) -> np.ndarray:
        stacked = np.stack(found).astype(found[0].dtype, copy=False)  # np.stack changes the byte order
        return stacked.reshape(moved.shape).transpose(np.argsort(order))

    several = isinstance(results[0], tuple)
    return tuple(map(arranged, zip(*results, strict=True))) if several else arranged(results)
