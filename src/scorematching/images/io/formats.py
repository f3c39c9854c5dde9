"""Formats of image files: their suffixes, and the images that they can store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scorematching.images.io.atomic import check_target
from scorematching.images.io.raw import RAW_SUFFIXES
from scorematching.runtime.arguments import shown
from scorematching.runtime.kinds import check_memory


@dataclass(frozen=True)
class Format:
    """What a format can store.

    Attributes:
        types: Types of pixels; empty for all.
        channels: Numbers of channels; 2 and 4 are with alpha. None for a format that is only read.
        side: Largest side of an image in pixels.
        pages: Whether a file can have several images.

    Example:
        >>> FORMATS[".jpg"].channels
        (1, 3)
    """

    types: tuple[str, ...] = ("uint8",)
    channels: tuple[int, ...] = (1, 2, 3, 4)
    side: float = np.inf
    pages: bool = False


_FITS = Format(("uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64"), channels=(1,), pages=True)
_MRC = Format(("int8", "int16", "uint16", "float16", "float32"), channels=(1,), pages=True)
#: Formats by suffix, in lower case.
FORMATS = {
    ".png": Format(("uint8", "uint16")),
    ".jpg": Format(channels=(1, 3), side=65500),
    ".jpeg": Format(channels=(1, 3), side=65500),
    ".tif": Format((), pages=True),
    ".tiff": Format((), pages=True),
    ".npy": Format((), pages=True),
    ".fits": _FITS,
    ".fit": _FITS,
    ".fts": _FITS,
    ".mrc": _MRC,
    ".mrcs": _MRC,
    ".webp": Format(channels=(3, 4), side=16383),
    ".bmp": Format(channels=(1, 3)),
    ".pgm": Format(("uint8", "uint16"), channels=(1,)),
    ".ppm": Format(channels=(3,)),
    ".gif": Format(channels=(), pages=True),
    ".heic": Format(channels=()),
    ".heif": Format(channels=()),
    ".hif": Format(channels=()),
    **dict.fromkeys(RAW_SUFFIXES, Format(channels=())),
}
#: Suffixes of TIFF files, in lower case.
TIFF_SUFFIXES = (".tif", ".tiff")
#: Suffixes of the supported image files, in lower case.
IMAGE_SUFFIXES = tuple(FORMATS)


def check_writable(path: str | Path, image: np.ndarray, pages: int = 1) -> None:
    """Check that an image, or a number of pages like it, can be written to a path.

    Args:
        path: File to write.
        image: Image, or the first of the pages.
        pages: Number of pages.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: The suffix is not that of a supported format, or the format can't store the images.

    Example:
        >>> check_writable("image.png", np.zeros((4, 6), np.uint16))
        >>> check_writable("image.jpg", np.zeros((4, 6), np.uint16))
        Traceback (most recent call last):
        ValueError: image.jpg: .jpg files can't store uint16 pixels: write a .tif instead
    """
    path = check_target(path)
    suffix = check_suffix(path)
    if not hasattr(image, "dtype") or image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"{path.name}: an image must be an array of shape (H, W) or (H, W, C), got {shown(image)}")
    check_memory("image", image)
    if image.dtype.kind not in "biufc":
        raise ValueError(f"{path.name}: pixels must be numbers, got {image.dtype}")
    found, channels = FORMATS[suffix], image.shape[2] if image.ndim == 3 else 1
    if not found.channels:
        raise ValueError(f"{path.name}: {suffix} files are only read: write a .tif instead")
    if found.types and image.dtype.name not in found.types:
        raise ValueError(f"{path.name}: {suffix} files can't store {image.dtype} pixels: write a .tif instead")
    if channels in (2, 4) and channels not in found.channels:
        raise ValueError(f"{path.name}: {suffix} files can't store an alpha channel: write a .png instead")
    if channels not in found.channels:
        kind = "grayscale" if channels == 1 else "color"
        raise ValueError(f"{path.name}: {suffix} files can't store {kind} images: write a .tif instead")
    if max(image.shape[:2]) > found.side:
        raise ValueError(f"{path.name}: {suffix} files store at most {found.side} rows or columns: write a .png")
    if pages != 1 and not found.pages:
        raise ValueError(f"{path.name}: {suffix} files store one image, not {pages} pages: write a .tif instead")


def name_of_result(source: Path) -> str:
    """Return the name of the file for a result: that of its source, or a TIFF if the format is only read.

    Example:
        >>> name_of_result(Path("scans/a.png")), name_of_result(Path("scans/b.gif"))
        ('a.png', 'b.tif')
    """
    written = source if FORMATS[check_suffix(source)].channels else source.with_suffix(".tif")
    return written.name


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
