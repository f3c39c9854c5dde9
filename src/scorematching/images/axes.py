"""Arrays of several images: their axes by letter, as in OME and bioio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scorematching.images.arrays import find_white
from scorematching.runtime.progress import ProgressCallback, subtask

#: Letters of axes: time, depth, channel, row, column, and samples of color.
LETTERS = "TZCYXS"


def white_of_array(array: np.ndarray, axes: str, data_range: float | None = None) -> float:
    """Return one value of white for all images of an array: ``data_range``, or the largest of :func:`find_white`.

    Args:
        array: Array with any axes.
        axes: One letter of ``"TZCYXS"`` for each dimension, in their order; Y and X are required.
        data_range: Value of white, if known.

    Raises:
        TypeError: As in :func:`find_white`.
        ValueError: As in :func:`find_white`; or a letter is missing, unknown or there twice, or their number is not
            that of the dimensions.

    Example:
        >>> white_of_array(np.full((2, 4, 5), 300.0), "TYX")
        300.0
        >>> white_of_array(np.zeros((3, 4)), "TY")
        Traceback (most recent call last):
        ValueError: axes must be letters of TZCYXS with Y and X, each once, got 'TY'
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"image must be a numpy array, got {type(array).__name__}: convert it with numpy.asarray")
    if not isinstance(axes, str):
        raise TypeError(f"axes must be letters of {LETTERS}, got {axes!r}")
    if not set("YX") <= set(axes) <= set(LETTERS) or len(set(axes)) < len(axes):
        raise ValueError(f"axes must be letters of {LETTERS} with Y and X, each once, got {axes!r}")
    if len(axes) != array.ndim:
        raise ValueError(f"axes {axes!r} are {len(axes)}, but the array has {array.ndim} dimensions: {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"the array has a side of 0: {array.shape}")
    return find_white(array.reshape(-1, array.shape[-1]), data_range, missing=True)


def over_images(
    function: Callable[..., Any], array: np.ndarray, axes: str, progress: ProgressCallback | None = None
) -> Any:
    """Apply a function to each image of an array.

    Args:
        function: Function of an image, (H, W) or (H, W, C), and of a keyword ``progress``. It returns one or several
            images of the same shape.
        array: Array with any axes.
        axes: Letters of the axes, as in :func:`white_of_array`. An image keeps S as its last axis.
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
    apart = [letter for letter in axes if letter not in "YXS"]
    order = [axes.index(letter) for letter in (*apart, *(letter for letter in "YXS" if letter in axes))]
    moved = array.transpose(order)
    images = moved.reshape(-1, *moved.shape[len(apart) :])
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
