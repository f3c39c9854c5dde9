"""Formats of image files: their suffixes, and the images that they can store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scorematching.images.io.atomic import check_target

#: Suffixes of TIFF files, in lower case.
TIFF_SUFFIXES = (".tif", ".tiff")
#: Suffixes of the supported image files, in lower case.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", *TIFF_SUFFIXES)
#: Largest side of a JPEG, in pixels.
_LARGEST_JPEG = 65500


def check_writable(path: str | Path, image: np.ndarray, pages: int = 1) -> None:
    """Check that an image, or a number of pages like it, can be written to a path.

    Args:
        path: File to write.
        image: Image, or the first of the pages.
        pages: Number of pages.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: The suffix is not one of PNG, JPEG or TIFF, or the format can't store the images.

    Example:
        >>> check_writable("image.png", np.zeros((4, 6), np.uint16))
        >>> check_writable("image.jpg", np.zeros((4, 6), np.uint16))
        Traceback (most recent call last):
        ValueError: image.jpg: .jpg files can't store uint16 pixels: write a .tif instead
    """
    path = check_target(path)
    suffix = check_suffix(path)
    fits = suffix in TIFF_SUFFIXES or image.dtype == np.uint8 or (suffix == ".png" and image.dtype == np.uint16)
    if not fits:
        raise ValueError(f"{path.name}: {suffix} files can't store {image.dtype} pixels: write a .tif instead")
    if suffix in (".jpg", ".jpeg") and image.ndim == 3 and image.shape[2] in (2, 4):
        raise ValueError(f"{path.name}: {suffix} files can't store an alpha channel: write a .png instead")
    if suffix in (".jpg", ".jpeg") and max(image.shape[:2]) > _LARGEST_JPEG:
        raise ValueError(f"{path.name}: {suffix} files store at most {_LARGEST_JPEG} rows or columns: write a .png")
    if suffix not in TIFF_SUFFIXES and pages != 1:
        raise ValueError(f"{path.name}: {suffix} files store one image, not {pages} pages: write a .tif instead")


def check_suffix(path: Path) -> str:
    """Return the suffix of an image file in lower case.

    Raises:
        ValueError: The suffix is not one of ``IMAGE_SUFFIXES``.

    Example:
        >>> check_suffix(Path("image.PNG"))
        '.png'
    """
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(IMAGE_SUFFIXES)}")
    return path.suffix.lower()
