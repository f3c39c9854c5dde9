"""FITS files of astronomy, by astropy: the first image, or stack of images, of a file."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from scorematching.images.io.metadata import Metadata
from scorematching.images.io.npy import stacked
from scorematching.runtime.extras import required


def read(path: Path) -> np.ndarray:
    """Read the images, shape (N, H, W), in the order of the file: the first row is the bottom of the sky.

    Raises:
        ValueError: Astropy is not installed, or there is no image.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.fits"
        >>> write(path, [np.zeros((4, 6), np.float32)], Metadata())
        >>> read(path).shape
        (1, 4, 6)
    """
    with _fits().open(path, memmap=False) as file:
        data = _images(file)[0].data
    return data.reshape(-1, *data.shape[-2:])


def read_metadata(path: Path) -> Metadata:
    """Read the header of the image.

    Warns:
        UserWarning: The file has more images, which are left out.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.fits"
        >>> write(path, [np.zeros((4, 6), np.float32)] * 3, Metadata())
        >>> read_metadata(path).leading
        (3,)
    """
    with _fits().open(path, memmap=False) as file:
        images = _images(file)
        if len(images) > 1:
            warnings.warn(f"{path.name}: only the first of its {len(images)} images is read", stacklevel=3)
        return Metadata(header=images[0].header.copy(strip=True), leading=images[0].data.shape[:-2])


def write(path: Path, images: Iterable[np.ndarray], metadata: Metadata) -> None:
    """Write one image, or a stack of images of one shape and type.

    Raises:
        ValueError: Astropy is not installed, or the images differ in shape or type.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.fits"
        >>> write(path, [np.zeros((4, 6), np.uint16)] * 3, Metadata())
        >>> read(path).dtype
        dtype('uint16')
    """
    header = metadata.header if isinstance(metadata.header, _fits().Header) else None
    _fits().PrimaryHDU(stacked(images, metadata.leading), header=header).writeto(path, overwrite=True)


def _images(file: Any) -> list[Any]:
    """Return the parts of a file that have images."""
    found = [part for part in file if part.is_image and part.data is not None and part.data.ndim >= 2]
    if not found:
        raise ValueError("it has no image")
    return found


def first_image(file: Any) -> Any:
    """Return the part of an open file that has the first image, or stack of images, without reading its pixels.

    Raises:
        ValueError: There is no image.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.fits"
        >>> write(path, [np.zeros((4, 6), np.float32)], Metadata())
        >>> with _fits().open(path) as file:
        ...     first_image(file).shape
        (4, 6)
    """
    for part in file:
        if part.is_image and len(part.shape) >= 2:
            return part
    raise ValueError("it has no image")


def _fits() -> Any:
    return required("astropy.io.fits", "formats")
