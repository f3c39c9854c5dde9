"""Arrays of several images: their axes by letter, as in OME and bioio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scorematching.images.arrays import find_white
from scorematching.runtime.progress import ProgressCallback, subtask

#: Letters of axes: time, depth, channel, row, column, and samples of color.
LETTERS = "TZCYXS"


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


def over_images(
    function: Callable[..., Any], array: np.ndarray, axes: str, progress: ProgressCallback | None = None
) -> Any:
    """Apply a function to each image of an array.

    Args:
        function: Function of an image, (H, W) or (H, W, C), and of a keyword ``progress``. It returns one or several
            images of the same shape.
        array: Array with any axes.
        axes: Letters of the axes, as in :func:`check_axes`. An image keeps S as its last axis.
        progress: Called with the progress of all images.

    Raises:
        ValueError: The function raises one. The number of the image is added.

    Returns:
        The results, each with the axes and the shape of ``array``.

    Example:
        >>> movie = np.arange(24.0).reshape(4, 2, 3)
        >>> found = over_images(lambda image, progress: image - image.mean(), movie, "YTX")
        >>> found.shape, found.mean((0, 2)).tolist()
        ((4, 2, 3), [0.0, 0.0])
    """
    order = images_last(axes)
    moved = array.transpose(order)
    images = moved.reshape(-1, *moved.shape[len(axes) - len(set(axes) & set("YXS")) :])
    results = []
    for k, image in enumerate(images):
        try:
            of_image = subtask(progress, k, k + 1, parts=len(images))
            results.append(function(np.ascontiguousarray(image), progress=of_image))
        except ValueError as error:
            raise ValueError(f"image {k + 1} of {len(images)}: {error}") from None

    def arranged(found: Any) -> np.ndarray:
        stacked = np.stack(found).astype(found[0].dtype, copy=False)  # np.stack changes the byte order
        return stacked.reshape(moved.shape).transpose(np.argsort(order))

    several = isinstance(results[0], tuple)
    return tuple(map(arranged, zip(*results, strict=True))) if several else arranged(results)
