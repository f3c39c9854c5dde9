"""NumPy's ``.npy`` files: one image, or a stack of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from scorematching.images.io.metadata import Metadata

#: Maximum number of channels of an image. A last dimension that is longer is the width.
_CHANNELS = 4


def read(path: Path) -> np.ndarray:
    """Read the images, shape (N, H, W) or (N, H, W, C). The file is mapped into memory, and read when it is used.

    Raises:
        ValueError: The shape is not (H, W), (H, W, C), (N, H, W) or (N, H, W, C), with C from 1 to 4.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.npy"
        >>> np.save(path, np.zeros((4, 6, 3)))
        >>> read(path).shape
        (1, 4, 6, 3)
    """
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError("it has several arrays, expected one: save it with numpy.save")
    channels = array.ndim > 2 and array.shape[-1] <= _CHANNELS
    if array.ndim - channels not in (2, 3):
        raise ValueError(f"its shape is {array.shape}, expected (H, W), (H, W, C), (N, H, W) or (N, H, W, C)")
    return array if array.ndim - channels == 3 else array[None]


def read_metadata(path: Path) -> Metadata:
    """Return whether the file has a stack of images, which may be a single one.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.npy"
        >>> np.save(path, np.zeros((1, 40, 60)))
        >>> read_metadata(path).stack
        True
    """
    return Metadata(stack=read(path).ndim == np.load(path, mmap_mode="r", allow_pickle=False).ndim)


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
        np.save(file, stacked(images, metadata.stack))


def stacked(images: Iterable[np.ndarray], stack: bool) -> np.ndarray:
    """Return one image, or several as a stack.

    Args:
        images: One or more images.
        stack: Whether one image is a stack too.

    Raises:
        ValueError: The images differ in shape or type.

    Example:
        >>> stacked([np.zeros((4, 6))], stack=True).shape
        (1, 4, 6)
    """
    pages = list(images)
    if len({(page.shape, page.dtype) for page in pages}) > 1:
        raise ValueError("all images of a file must have the same shape and type")
    return np.stack(pages) if len(pages) > 1 or stack else pages[0]
