"""NumPy's ``.npy`` files: one image, or a stack of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scorematching.images.io.contiguous import Contiguous
from scorematching.images.io.metadata import Metadata

#: Maximum number of channels of an image. A last dimension that is longer is the width.
_CHANNELS = 4


class _Head(NamedTuple):
    """Header of a file, and the position of the values behind it."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype
    offset: int


def read(path: Path) -> np.ndarray | Contiguous:
    """Return the images, (H, W) or (H, W, C) each, as a sequence that is read when it is used.

    An array in the order of Fortran is read at once.

    Raises:
        ValueError: The file has several arrays; its array has fewer than two dimensions or takes more memory than is
            allowed; or it is truncated.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.npy"
        >>> np.save(path, np.zeros((4, 6, 3)))
        >>> [image.shape for image in read(path)]
        [(4, 6, 3)]
    """
    head, leading = _head(path), _leading(path)
    image = head.shape[len(leading) :]
    if not head.fortran_order:
        return Contiguous(path, head.offset, math.prod(leading), image, head.dtype)
    whole = Contiguous(path, head.offset, 1, head.shape[::-1], head.dtype)[0]
    return whole.T.reshape(-1, *image)


def read_metadata(path: Path) -> Metadata:
    """Return the dimensions before those of an image.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.npy"
        >>> np.save(path, np.zeros((1, 40, 60)))
        >>> read_metadata(path).leading
        (1,)
    """
    return Metadata(leading=_leading(path))


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


def _head(path: Path) -> _Head:
    """Return the header of a file. Nothing in it is executed."""
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            raise ValueError("it has several arrays, expected one: save it with numpy.save")
        file.seek(0)
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = read_header(file)
        head = _Head(shape, fortran_order, dtype, file.tell())
    if dtype.hasobject:
        raise ValueError("its values are objects of Python, expected numbers")
    if min(shape, default=1) < 0:
        raise ValueError(f"its shape is {shape}, expected positive numbers")
    return head


def _leading(path: Path) -> tuple[int, ...]:
    """Return the dimensions of the array of a file before those of an image."""
    shape = _head(path).shape
    dimensions = 3 if len(shape) > 2 and shape[-1] <= _CHANNELS else 2
    if len(shape) < dimensions:
        raise ValueError(f"its shape is {shape}, expected (..., H, W) or (..., H, W, C)")
    return shape[: len(shape) - dimensions]


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
