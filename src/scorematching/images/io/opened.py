"""Image files that stay open: their shape and type are known without decoding, and a page costs its own bytes only."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile

from scorematching.images.io import heic, png, raw
from scorematching.images.io.contiguous import Contiguous
from scorematching.images.io.decoders import checked, opened_images
from scorematching.images.io.errors import named
from scorematching.images.io.files import read_image, read_pages
from scorematching.images.io.fits import FitsImages
from scorematching.images.io.formats import TIFF_SUFFIXES, check_suffix
from scorematching.images.io.limits import check_file
from scorematching.images.io.raw import RAW_SUFFIXES
from scorematching.images.io.tiff_pages import TiffPages
from scorematching.images.io.tiff_structure import check_complete

#: Formats that store images one after another.
_STACKS = (".npy", ".mrc", ".mrcs", ".fits", ".fit", ".fts")
#: Shape of an image, and its number of channels, by Pillow's mode; 0 for no channel dimension.
_CHANNELS = {"L": 0, "LA": 2, "RGB": 3, "RGBA": 4}
#: Number of channels of a PNG by its color type, and with a transparent color.
_OF_PNG = {0: (0, 2), 2: (3, 4), 3: (3, 4), 4: (2, 2), 6: (4, 4)}


class Header(NamedTuple):
    """What a file says of its images.

    Attributes:
        shape: Shape of each image, (H, W) or (H, W, C).
        dtype: Type of the pixels.
        pages: Number of images.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    pages: int = 1


class OpenFile:
    """Image file that stays open until the object is no longer used. Several threads may read it.

    Stacks keep the places of their pages, so that each page is read at once. No memory is mapped, because a file that
    is cut off would end the process. Files of one image are opened again to be read.

    Args:
        path: File to open.

    Attributes:
        header: Shape and type of the images, and their number, known without decoding if the format allows this.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It can't be read as images, or parts of its pixels are missing.

    Example:
        >>> import tempfile
        >>> from scorematching.images import write_image
        >>> path = Path(tempfile.mkdtemp()) / "image.png"
        >>> write_image(path, np.zeros((4, 6), np.uint16))
        >>> OpenFile(path).header
        Header(shape=(4, 6), dtype=dtype('uint16'), pages=1)
    """

    def __init__(self, path: Path) -> None:
        self.path, self._stack = path, ExitStack()
        weakref.finalize(self, self._stack.close)
        suffix = check_suffix(path)
        check_file(path, "an image")
        self._read: Callable[[int], np.ndarray] | None = None
        with named(path):
            self.header = self._described(suffix)
            if not self.header.pages:
                raise ValueError("it has no image")
            checked(np.zeros([min(n, 1) for n in self.header.shape[:2]] + [*self.header.shape[2:]], self.header.dtype))

    def read(self, page: int) -> np.ndarray:
        """Return an image of the file.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: It is damaged.
        """
        if self._read is None:
            return read_image(self.path, page)
        with named(self.path):
            return checked(self._read(page))

    def _described(self, suffix: str) -> Header:
        if suffix in TIFF_SUFFIXES:
            return self._open_tiff()
        if suffix in _STACKS:
            return self._open_stack()
        return _KINDS.get(suffix, _decoded)(self.path) or _decoded(self.path)

    def _open_tiff(self) -> Header:
        images = self._stack.enter_context(opened_images(self.path))
        assert isinstance(images, TiffPages)
        for number, page in enumerate(images.pages, 1):
            try:
                check_complete(page)
            except ValueError as error:
                raise ValueError(f"page {number}: {error}" if len(images) > 1 else str(error)) from None
        header = Header(*images.shape_and_type(), len(images))
        if len(images) == 1:
            self._stack.close()  # it is opened again within a millisecond
            return header
        images.pages[0].parent.filehandle.set_lock(True)  # threads read one after the other, and decode at once
        self._read = images.__getitem__
        return header

    def _open_stack(self) -> Header:
        images = self._stack.enter_context(opened_images(self.path))
        if not isinstance(images, Contiguous | FitsImages):
            return _decoded(self.path)
        self._read = images.__getitem__
        return Header(images.shape, images.dtype.newbyteorder("="), len(images))


def _decoded(path: Path) -> Header:
    """Return the header of a file whose images must be decoded to know their shape."""
    count, first = 0, None
    for image in read_pages(path):
        count, first = count + 1, image if first is None else first
    if first is None:
        raise ValueError("it has no image")
    return Header(first.shape, first.dtype, count)


def _of_png(path: Path) -> Header | None:
    """Return the header of a PNG; raise an error if its end is missing."""
    chunks = list(png.chunks(path))
    content = chunks[0][1]
    width, height, bits, color = (
        int.from_bytes(content[start:stop], "big") for start, stop in ((0, 4), (4, 8), (8, 9), (9, 10))
    )
    transparent = any(name == b"tRNS" for name, _ in chunks)
    return _header(height, width, _OF_PNG[color][transparent], np.uint16 if bits == 16 else np.uint8)


def _of_jpeg(path: Path) -> Header | None:
    with JpegImageFile(path) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        return _of_pillow(image, turned)


def _of_raster(path: Path) -> Header | None:
    with Image.open(path, formats=["BMP", "PPM", "WEBP"]) as image:
        return _of_pillow(image)


def _of_heic(path: Path) -> Header | None:
    file = heic.opened(path)
    width, height = file.size
    mode, _, bits = file.mode.partition(";")
    return _header(height, width, _CHANNELS[mode], np.uint16 if bits else np.uint8) if mode in _CHANNELS else None


def _of_pillow(image: Any, turned: bool = False) -> Header | None:
    width, height = image.size[::-1] if turned else image.size
    channels = _CHANNELS.get(image.mode)
    return None if channels is None else _header(height, width, channels, np.uint8)


def _of_raw(path: Path) -> Header | None:
    with raw.opened(path) as file:
        if file.num_colors != 3:
            return None
        sizes = file.sizes
        height, width = (sizes.iwidth, sizes.iheight) if sizes.flip in (5, 6) else (sizes.iheight, sizes.iwidth)
        return _header(height, width, 3, np.uint16)


def _header(height: int, width: int, channels: int, dtype: Any) -> Header:
    return Header((height, width, channels) if channels else (height, width), np.dtype(dtype))


#: Readers of the headers of files with one image.
_KINDS: dict[str, Callable[[Path], Header | None]] = {
    ".png": _of_png,
    **dict.fromkeys((".jpg", ".jpeg"), _of_jpeg),
    **dict.fromkeys((".bmp", ".pgm", ".ppm", ".webp"), _of_raster),
    **dict.fromkeys((".heic", ".heif", ".hif"), _of_heic),
    **dict.fromkeys(RAW_SUFFIXES, _of_raw),
}
