"""NumPy's ``.npy`` files: one image, or a stack of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from scorematching.images.io.metadata import Metadata

#: Maximum number of channels of an image. A last dimension that is longer is the width.
_CHANNELS = 4


def read(path: Path) -> np.ndarray:
    """Read the images, shape (N, H, W) or (N, H, W, C). The file is mapped into memory, and read when it is used.

    Raises:
        ValueError: The file has several arrays, or its array has fewer than two dimensions.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.npy"
        >>> np.save(path, np.zeros((4, 6, 3)))
        >>> read(path).shape
        (1, 4, 6, 3)
    """
    array, leading = _loaded(path)
    return array.reshape(-1, *array.shape[len(leading) :])


def read_metadata(path: Path) -> Metadata:
    """Return the dimensions before those of an image.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.npy"
        >>> np.save(path, np.zeros((1, 40, 60)))
        >>> read_metadata(path).leading
        (1,)
    """
    return Metadata(leading=_loaded(path)[1])


def write(path: Path, images: Iterable[np.ndarray], metadata: Metadata) -> None:
    """Write one image, or a stack of images of one shape and type.

    Raises:
        ValueError: The images differ in shape or type.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.npy"
        >>> write(path, [np.zeros((4, 6))] * 3, Metadata())
        >>> np.load(path).shape
        (3, 4, 6)
    """
    with path.open("wb") as file:
        np.save(file, stacked(images, metadata.leading))


def _loaded(path: Path) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the array of a file, and the dimensions before those of an image."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError("it has several arrays, expected one: save it with numpy.save")
    dimensions = 3 if array.ndim > 2 and array.shape[-1] <= _CHANNELS else 2
    if array.ndim < dimensions:
        raise ValueError(f"its shape is {array.shape}, expected (..., H, W) or (..., H, W, C)")
    return array, array.shape[: array.ndim - dimensions]


def stacked(images: Iterable[np.ndarray], leading: tuple[int, ...]) -> np.ndarray:
    """Return one image, or several with dimensions before those of an image.

    Args:
        images: One or more images.
        leading: These dimensions. If their product is not the number of images, there is one dimension.

    Raises:
        ValueError: The images differ in shape or type.

    Example:
        >>> stacked([np.zeros((4, 6))] * 6, (2, 3)).shape
        (2, 3, 4, 6)
    """
    pages = list(images)
    if len({(page.shape, page.dtype) for page in pages}) > 1:
        raise ValueError("all images of a file must have the same shape and type")
    if len(pages) == math.prod(leading):
        return np.stack(pages).reshape(*leading, *pages[0].shape)
    return np.stack(pages) if len(pages) > 1 else pages[0]
