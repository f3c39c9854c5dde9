"""Image files, 8 and 16 bit and floating point, of one image or of many: PNG, JPEG and TIFF, one module each."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from operator import length_hint
from pathlib import Path

import numpy as np
import tifffile

from scorematching.images.arrays import find_white
from scorematching.images.io import jpeg, png, tiff
from scorematching.images.io.atomic import check_target, whole_file
from scorematching.images.io.metadata import Metadata

_KINDS = {".png": png, ".jpg": jpeg, ".jpeg": jpeg, ".tif": tiff, ".tiff": tiff}
IMAGE_SUFFIXES = tuple(_KINDS)
_TIFF = (".tif", ".tiff")
#: Largest side of a JPEG, in pixels.
_LARGEST_JPEG = 65500


def read_image(path: str | Path, page: int | None = None) -> np.ndarray:
    """Read an image as it is stored: (H, W) or (H, W, C), uint8, uint16 or floating point.

    A JPEG is turned upright as its EXIF entry says.

    Args:
        path: The file.
        page: Which one of a stack, from 0 on; for a file of one image 0, or nothing.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is a folder, of another kind than PNG, JPEG and TIFF, damaged, of several pages and none is asked
            for, without the one that is, or neither gray nor RGB.
    """
    with _opened(path) as images:
        if page is None and len(images) > 1:
            raise ValueError(f"it has {len(images)} pages, expected one: read_pages reads them all, page=0 the first")
        if not 0 <= (page or 0) < len(images):
            raise ValueError(f"it has {len(images)} pages, from 0 on: there is no page {page}")
        return _checked(images[page or 0])


def read_pages(path: str | Path) -> Iterator[np.ndarray]:
    """The images of a file, one after the other: the pages of a TIFF, or the one image of another file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As :func:`read_image`; or the pages differ in shape or type, which is said before the first.
    """
    with _opened(path) as images:
        for page in range(len(images)):
            yield _checked(images[page])


def count_pages(path: str | Path) -> int:
    """How many images :func:`read_pages` finds in a file; only a TIFF may have more than one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As :func:`read_pages`.
    """
    if _check_source(path).suffix.lower() not in _TIFF:
        return 1
    with _opened(path) as images:
        return len(images)


def find_white_of_file(path: str | Path, data_range: float | None = None) -> float:
    """One value of white for all the images of a file: ``data_range``, or the largest of what :func:`find_white` finds.

    Of integers only the first image is read, as their type says it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As :func:`read_pages`, or a value is not finite.
    """
    white = 0.0
    for image in read_pages(path):
        white = max(white, find_white(image, data_range))
        if image.dtype.kind == "u":
            break
    return white


def read_metadata(path: str | Path) -> Metadata:
    """What an image file says besides its pixels; to be passed on to :func:`write_image` or :func:`write_pages`.

    Of a JPEG that :func:`read_image` turns upright it is what belongs to the upright image. An EXIF block that is
    damaged is left out, and a warning says so.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is a folder, of another kind than PNG, JPEG and TIFF, or damaged.
    """
    path = _check_source(path)
    with _named(path):
        metadata: Metadata = _KINDS[path.suffix.lower()].read_metadata(path)
    try:
        metadata.exif_for(1, 1)
    except Exception:  # whatever Pillow meets in it; images in the wild have all sorts
        warnings.warn(f"{path.name}: its EXIF block is damaged, and left out", stacklevel=2)
        return replace(metadata, exif=None)
    return metadata


def write_image(path: str | Path, image: np.ndarray, metadata: Metadata | None = None) -> None:
    """Write an image without loss (or as JPEG at quality 95); the file appears whole or not at all.

    Args:
        path: Where to; its ending says what kind of file.
        image: (H, W) or (H, W, C). PNG takes uint8 and uint16, JPEG takes uint8 without alpha, TIFF takes floating
            point too.
        metadata: Of :func:`read_metadata`; what this kind of file has a place for is written too.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: An ending other than PNG, JPEG and TIFF, or an image that such a file can't hold.
    """
    write_pages(path, [image], metadata)


def write_pages(path: str | Path, pages: Iterable[np.ndarray], metadata: Metadata | None = None) -> None:
    """Write images of one shape and type as the pages of a TIFF; the file appears whole or not at all.

    Pages are asked for one at a time, and not kept. Over 4 GB the file is a BigTIFF, if their number is known before:
    ``pages`` has a length, or ``metadata`` is that of such a stack.

    Args:
        path: Where to. Files other than TIFF hold one image.
        pages: Each as :func:`write_image` takes it.
        metadata: Of :func:`read_metadata`.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: An ending other than PNG, JPEG and TIFF, images that such a file can't hold or of different shapes
            or types, none, or too many.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "stack.tif"
        >>> write_pages(file, [np.zeros((4, 6), np.uint8), np.ones((4, 6), np.uint8)])
        >>> [int(page.max()) for page in read_pages(file)]
        [0, 1]
    """
    path, metadata = Path(path), metadata or Metadata()
    count, rest = max(length_hint(pages), len(metadata.tiff.pages)), iter(pages)
    first = next(rest, None)
    if first is None:
        raise ValueError(f"{path.name}: there is no page to write")
    with whole_file(path) as partial:
        if check_suffix(path) in _TIFF:
            tiff.write(partial, (_writable(path, page) for page in chain([first], rest)), count, metadata)
        else:
            check_writable(path, first, 1 + sum(1 for _ in rest))
            partial.write_bytes(_KINDS[path.suffix.lower()].encode(_writable(path, first), metadata))


def check_writable(path: str | Path, image: np.ndarray, pages: int = 1) -> None:
    """Raise, before any work is done, where such an image, or such pages, could not be written to a path.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: An ending other than PNG, JPEG and TIFF, or what such a file can't hold.
    """
    path = check_target(path)
    suffix = check_suffix(path)
    fits = suffix in _TIFF or image.dtype == np.uint8 or (suffix == ".png" and image.dtype == np.uint16)
    if not fits:
        raise ValueError(f"{path.name}: {suffix} files can't hold {image.dtype} pixels; write a .tif instead")
    if suffix in (".jpg", ".jpeg") and image.ndim == 3 and image.shape[2] in (2, 4):
        raise ValueError(f"{path.name}: {suffix} files can't hold an alpha channel; write a .png instead")
    if suffix in (".jpg", ".jpeg") and max(image.shape[:2]) > _LARGEST_JPEG:
        raise ValueError(f"{path.name}: {suffix} files hold {_LARGEST_JPEG} rows and columns at most; write a .png")
    if suffix not in _TIFF and pages != 1:
        raise ValueError(f"{path.name}: {suffix} files hold one image, not {pages} pages; write a .tif instead")


def check_suffix(path: Path) -> str:
    """The ending of an image file, in small letters; raise ``ValueError`` for that of another kind."""
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(IMAGE_SUFFIXES)}")
    return path.suffix.lower()


def _check_source(path: str | Path) -> Path:
    path = Path(path)
    check_suffix(path)
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder, expected an image")
    return path


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever is wrong with a file is said with its name."""
    try:
        yield
    except (ValueError, RuntimeError, OSError, SyntaxError, struct.error, tifffile.TiffFileError) as error:
        raise ValueError(f"{path} can't be read as an image: {error}") from None


@contextmanager
def _opened(path: str | Path) -> Iterator[list[np.ndarray] | tiff.TiffPages]:
    """The images of a file; those of a TIFF are read when they are asked for."""
    path = _check_source(path)
    with _named(path):
        if path.suffix.lower() in _TIFF:
            with tifffile.TiffFile(path) as file:
                yield tiff.TiffPages(file)
        else:
            yield [_KINDS[path.suffix.lower()].read(path)]


def _checked(image: np.ndarray) -> np.ndarray:
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] > 4):
        raise ValueError(f"expected a gray or color image, got an array of shape {image.shape}")
    return image


def _writable(path: Path, image: np.ndarray) -> np.ndarray:
    """As it is encoded: without a dimension of one channel, in one piece."""
    check_writable(path, image)
    return np.ascontiguousarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
