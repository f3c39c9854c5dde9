"""The module of each format, and what is done around every decoder: checks of the file, its errors, copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from scorematching.images.arrays import check_type
from scorematching.images.io import fits, gif, heic, jpeg, mrc, npy, png, raw, tiff
from scorematching.images.io.errors import named
from scorematching.images.io.formats import TIFF_SUFFIXES, check_suffix
from scorematching.images.io.limits import check_file
from scorematching.images.io.raster import Raster
from scorematching.images.io.raw import RAW_SUFFIXES
from scorematching.images.io.tiff_pages import TiffPages
from scorematching.runtime.kinds import check_arguments

#: Formats that are read and written as arrays of images.
ARRAYS = {".npy": npy, ".fits": fits, ".fit": fits, ".fts": fits, ".mrc": mrc, ".mrcs": mrc, ".gif": gif}
KINDS: dict[str, Any] = {".png": png, ".jpg": jpeg, ".jpeg": jpeg, ".tif": tiff, ".tiff": tiff, **ARRAYS}
KINDS |= {".heic": heic, ".heif": heic, ".hif": heic, **dict.fromkeys(RAW_SUFFIXES, raw)}
KINDS |= {".bmp": Raster("BMP"), ".pgm": Raster("PPM"), ".ppm": Raster("PPM"), ".webp": Raster("WEBP")}


def check_source(path: str | Path) -> Path:
    """Return the path of an existing image file; raise an error if there is none."""
    check_arguments(check_source, locals())
    path = Path(path)
    check_suffix(path)
    check_file(path, "an image")
    return path


@contextmanager
def opened_images(path: str | Path) -> Iterator[Sequence[np.ndarray] | np.ndarray | TiffPages]:
    """Open a file and yield a sequence of its images. Pages of a TIFF are read when they are accessed."""
    path = check_source(path)
    with named(path):
        if path.suffix.lower() in TIFF_SUFFIXES:
            with tifffile.TiffFile(path) as file:
                yield TiffPages(file)
        elif path.suffix.lower() in ARRAYS:
            yield KINDS[path.suffix.lower()].read(path)
        else:
            yield [KINDS[path.suffix.lower()].read(path)]


def checked(image: np.ndarray) -> np.ndarray:
    """Return a copy of an image in native byte order, which stays the same if the file changes.

    Raises:
        TypeError: The type of its pixels is not supported.
        ValueError: It is not a grayscale or color image.
    """
    check_type(image.dtype)
    if 0 in image.shape or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] > 4):
        raise ValueError(f"expected a grayscale or color image, got an array of shape {image.shape}")
    return np.array(image, dtype=image.dtype.newbyteorder("="), order="C")
