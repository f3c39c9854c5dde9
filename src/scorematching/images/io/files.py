"""Read and write image files of every format, of one image or several pages."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from operator import length_hint
from pathlib import Path

import numpy as np

from scorematching.images.arrays import find_own_white, find_white, has_white
from scorematching.images.io import tiff
from scorematching.images.io.atomic import whole_file
from scorematching.images.io.decoders import ARRAYS, KINDS, check_source, checked, opened_images
from scorematching.images.io.errors import named
from scorematching.images.io.formats import FORMATS, TIFF_SUFFIXES, check_suffix, check_writable
from scorematching.images.io.metadata import Metadata
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.text import naming


def read_image(path: str | Path, page: int | None = None) -> np.ndarray:
    """Read an image as it is stored.

    A JPEG is rotated upright by its EXIF orientation.

    Args:
        path: File to read.
        page: Index of the page, from 0. It is required for a file of several pages.

    Returns:
        Image of shape (H, W) or (H, W, C), integers of 8, 16 or 32 bits or floating point.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The path is a folder; the file has another format, or is damaged; its colors are neither
            grayscale nor RGB; it has several pages but ``page`` is not given; or it has no such page.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.png"
        >>> write_image(path, np.full((4, 6), 7, np.uint8))
        >>> read_image(path).shape
        (4, 6)
    """
    check_arguments(read_image, locals())
    with opened_images(path) as images:
        if page is None and len(images) > 1:
            raise ValueError(
                f"it has {len(images)} pages, expected one: pass page=0 to read the first page, or use read_pages to "
                "read them all"
            )
        if not 0 <= (page or 0) < len(images):
            raise ValueError(f"it has {len(images)} pages, counted from 0: there is no page {page}")
        return checked(images[page or 0])


def read_pages(path: str | Path) -> Iterator[np.ndarray]:
    """Yield the images of a file: the pages of a stack, or the single image of another file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: As in :func:`read_image`; or the pages differ in shape or type, which is checked before the first
            page is returned.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "stack.tif"
        >>> write_pages(path, [np.zeros((4, 6), np.uint8)] * 3)
        >>> sum(1 for page in read_pages(path))
        3
    """
    with opened_images(path) as images:
        for page in range(len(images)):
            yield checked(images[page])


def count_pages(path: str | Path) -> int:
    """Return the number of images in a file. It is 1 for formats without stacks.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: As in :func:`read_pages`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "stack.tif"
        >>> write_pages(path, [np.zeros((4, 6), np.uint8)] * 3)
        >>> count_pages(path)
        3
    """
    if not FORMATS[check_source(path).suffix.lower()].pages:
        return 1
    with opened_images(path) as images:
        return len(images)


def find_white_of_file(
    path: str | Path, data_range: float | None = None, *, own: bool = False, missing: bool = False
) -> float:
    """Return one value of white for all images of a file.

    It is ``data_range`` if given, and otherwise the largest value that :func:`find_white` returns for an image of the
    file. For uint8 and uint16 it depends only on the type, and only the first image is read.

    Args:
        path: The file.
        data_range: Value of white, if known.
        own: Whether to take :func:`find_own_white` instead of :func:`find_white`.
        missing: Whether values may be missing, as in :func:`find_white`.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: As in :func:`read_pages`; or a value is not finite.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.png"
        >>> write_image(path, np.zeros((4, 6), np.uint16))
        >>> find_white_of_file(path)
        65535.0
    """
    check_arguments(find_white_of_file, locals())
    white = 0.0
    for image in read_pages(path):
        with naming(Path(path).name):
            found = find_own_white(image, data_range) if own else find_white(image, data_range, missing=missing)
        white = max(white, found)
        if has_white(image.dtype) and not own:
            break
    return white


def read_metadata(path: str | Path) -> Metadata:
    """Read the metadata of an image file, for :func:`write_image` or :func:`write_pages`.

    If :func:`read_image` rotates a JPEG upright, the metadata describe the upright image. A damaged EXIF block is
    dropped with a warning.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The path is a folder, or the file has another format, or is damaged.

    Warns:
        UserWarning: The EXIF block is damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.tif"
        >>> write_image(path, np.zeros((4, 6), np.uint8), Metadata(resolution=(300.0, 300.0)))
        >>> read_metadata(path).dpi
        (300.0, 300.0)
    """
    check_arguments(read_metadata, locals())
    path = check_source(path)
    with named(path):
        metadata: Metadata = KINDS[path.suffix.lower()].read_metadata(path)
    try:
        metadata.exif_for(1, 1)
    except Exception:  # Pillow raises many types of errors for damaged EXIF
        warnings.warn(f"{path.name}: its EXIF block is damaged and is dropped", stacklevel=2)
        return replace(metadata, exif=None)
    return metadata


def write_image(path: str | Path, image: np.ndarray, metadata: Metadata | None = None) -> None:
    """Write an image without loss, or as a JPEG at quality 95. The file is written completely or not at all.

    Args:
        path: File to write. Its suffix selects the format.
        image: Image of shape (H, W) or (H, W, C). PNG stores uint8 and uint16; JPEG stores uint8 without alpha; TIFF
            stores integers of 8, 16 or 32 bits and floating point.
        metadata: Metadata from :func:`read_metadata`. Entries that the format can't store are dropped.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: The suffix is not that of a supported format, or the format can't store the image.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.png"
        >>> write_image(path, np.full((4, 6), 7, np.uint8))
        >>> int(read_image(path)[0, 0])
        7
    """
    write_pages(path, [image], metadata)


def write_pages(path: str | Path, pages: Iterable[np.ndarray], metadata: Metadata | None = None) -> None:
    """Write images of one shape and type as the pages of a TIFF. The file is written completely or not at all.

    Pages are requested one at a time and not kept in memory. A file above 4 GB is written as BigTIFF. This requires
    that the number of pages is known in advance: ``pages`` has a length, or ``metadata`` has that many pages.

    Args:
        path: File to write. Formats other than TIFF store one image.
        pages: Images, as in :func:`write_image`.
        metadata: Metadata from :func:`read_metadata`.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: The suffix is not that of a supported format; the format can't store the images or their number; the
            images differ in shape or type; or there is no image.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "stack.tif"
        >>> write_pages(file, [np.zeros((4, 6), np.uint8), np.ones((4, 6), np.uint8)])
        >>> [int(page.max()) for page in read_pages(file)]
        [0, 1]
    """
    check_arguments(write_pages, locals())
    path, metadata = Path(path), metadata or Metadata()
    count, rest = max(length_hint(pages), len(metadata.tiff.pages)), iter(pages)
    first = next(rest, None)
    if first is None:
        raise ValueError(f"{path.name}: there is no page to write")
    check_writable(path, first)
    with whole_file(path) as partial:
        if check_suffix(path) in TIFF_SUFFIXES:
            tiff.write(partial, (_writable(path, page) for page in chain([first], rest)), count, metadata)
        elif path.suffix.lower() in ARRAYS:
            KINDS[path.suffix.lower()].write(partial, chain([first], rest), metadata)
        else:
            check_writable(path, first, 1 + sum(1 for _ in rest))
            shown = metadata.tiff.samples.shown(_writable(path, first))
            partial.write_bytes(KINDS[path.suffix.lower()].encode(shown, metadata))


def _writable(path: Path, image: np.ndarray) -> np.ndarray:
    """Return the image as the encoders need it: contiguous, and without a channel dimension of size 1."""
    check_writable(path, image)
    return np.ascontiguousarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
