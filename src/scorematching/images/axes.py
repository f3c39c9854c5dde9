"""Arrays of several images: their axes by letter, as in OME and bioio."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Letters of axes: time, depth, channel, row, column, and samples of color.
LETTERS = "TZCYXS"


def check_axes(axes: str, array: np.ndarray) -> None:
    """Check the axes of an array.

    Args:
        axes: One letter of ``"TZCYXS"`` for each dimension, in their order; Y and X are required.
        array: The array.

    Raises:
        ValueError: A letter is missing, unknown or there twice, or their number is not that of the dimensions.

    Example:
        >>> check_axes("TYX", np.zeros((3, 4, 5)))
        >>> check_axes("TY", np.zeros((3, 4)))
        Traceback (most recent call last):
        ValueError: axes must be letters of TZCYXS with Y and X, each once, got 'TY'
    """
    if not set("YX") <= set(axes) <= set(LETTERS) or len(set(axes)) < len(axes):
        raise ValueError(f"axes must be letters of {LETTERS} with Y and X, each once, got {axes!r}")
    if len(axes) != array.ndim:
        raise ValueError(f"axes {axes!r} are {len(axes)}, but the array has {array.ndim} dimensions: {array.shape}")


def over_images(function: Callable[[np.ndarray, int, int], np.ndarray], array: np.ndarray, axes: str) -> np.ndarray:
    """Apply a function to each image of an array.

    Args:
        function: Function of an image, (H, W) or (H, W, C), its number and the number of images. It returns an image of
            the same shape.
        array: Array with any axes.
        axes: Letters of the axes, as in :func:`check_axes`. S stays with its image.

    Returns:
        The results, with the axes and the shape of ``array``.

    Raises:
        ValueError: As in :func:`check_axes`.

    Example:
        >>> movie = np.arange(24.0).reshape(4, 2, 3)
        >>> found = over_images(lambda image, number, count: image + 100 * number, movie, "YTX")
        >>> found.shape, float(found[0, 1, 0] - movie[0, 1, 0])
        ((4, 2, 3), 100.0)
    """
    check_axes(axes, array)
    apart = [letter for letter in axes if letter not in "YXS"]
    together = [letter for letter in "YXS" if letter in axes]
    order = [axes.index(letter) for letter in apart + together]
    moved = array.transpose(order)
    images = moved.reshape(-1, *moved.shape[len(apart) :])
    results = np.stack([function(np.ascontiguousarray(image), k, len(images)) for k, image in enumerate(images)])
    return results.reshape(moved.shape).transpose(np.argsort(order))
