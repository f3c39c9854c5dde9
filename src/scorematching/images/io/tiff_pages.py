"""Pages of a TIFF, and the meaning of their samples: colors, alpha, color tables, separate channels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import numpy as np
import tifffile

from scorematching.images.io.metadata import Alpha, Colors, Samples

#: Values of the tag ExtraSamples that mark the last channel as alpha.
_ALPHA: dict[int, Alpha] = {
    tifffile.EXTRASAMPLE.ASSOCALPHA: "assocalpha",
    tifffile.EXTRASAMPLE.UNASSALPHA: "unassalpha",
}
#: Compressions by which tifffile decodes YCbCr to RGB.
_JPEG = (tifffile.COMPRESSION.JPEG, tifffile.COMPRESSION.OJPEG)


class TiffPages:
    """Sequence of the images of an open TIFF, read when they are accessed.

    The images are the pages of the file, without smaller copies and masks. A page with channels that are neither colors
    nor alpha has one image per channel. A file may also store several images contiguously behind a single page, as
    ImageJ does for large stacks.

    Args:
        file: Open file.

    Raises:
        ValueError: The file is truncated; its pages form a circle; the pages differ in shape, type or meaning; or the
            colors of a page are neither grayscale nor RGB.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "channels.tif"
        >>> tifffile.imwrite(path, np.zeros((5, 4, 6), np.uint8), photometric="minisblack", planarconfig="separate")
        >>> with tifffile.TiffFile(path) as file:
        ...     len(TiffPages(file))
        5
    """

    def __init__(self, file: tifffile.TiffFile) -> None:
        # This must come before any access to file.series, after which pages have no tags.
        every = list(_followed(file))
        self.pages = [page for page in every if not page.is_reduced and not page.is_mask]
        if not self.pages:
            raise ValueError("it has no pages at full size beside smaller copies: save the full image as a page")
        self.has_mask = any(page.is_mask for page in every)
        first = self.pages[0]
        self.samples = _meaning(first, file.is_imagej)
        for number, page in enumerate(self.pages, 1):
            check_alike(number, (page.shape, page.dtype), (first.shape, first.dtype))
            other = _meaning(page, file.is_imagej)
            if other != self.samples or (other.colors == "palette" and np.any(other.table != self.samples.table)):
                raise ValueError(f"page {number} has other colors, bits or channels than page 1: save them apart")
        self._stored = _stored_behind(file, first) if len(self.pages) == 1 else None

    def __len__(self) -> int:
        return (len(self.pages) if self._stored is None else len(self._stored)) * self.samples.images

    def __getitem__(self, index: int) -> np.ndarray:
        number, channel = divmod(index, self.samples.images)
        try:
            check_complete(self.pages[0 if self._stored is not None else number])
            if self._stored is not None:
                image = self._arranged(self.pages[0], self._stored[number])
            else:
                image = self._arranged(self.pages[number], self.pages[number].asarray())
        except Exception as error:  # decoders raise many types of errors for damaged files
            raise ValueError(f"page {number + 1}: {error}" if len(self) > 1 else str(error)) from None
        return image[..., channel] if self.samples.images > 1 else image

    def shape_and_type(self) -> tuple[tuple[int, ...], np.dtype]:
        """Return the shape and the type of each image, without decoding one."""
        page = self.pages[0]
        assert page.dtype is not None
        shape = page.shape
        if len(shape) == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            shape = (*shape[1:], shape[0])
        if self.became_colors:
            return (*shape, 3), np.dtype(np.uint8)
        return shape[: 2 if self.samples.images > 1 else None], page.dtype.newbyteorder("=")

    @property
    def became_colors(self) -> bool:
        """Whether the pages are read with the colors of a table."""
        return self.samples.table is not None and self.samples.colors == "rgb"

    def _arranged(self, page: tifffile.TiffPage, image: np.ndarray) -> np.ndarray:
        """Return an image with channels last, black at 0, and the colors of its table."""
        if image.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            image = np.moveaxis(image, 0, 2)
        if self.became_colors:
            return (np.moveaxis(np.asarray(page.colormap), 0, 1) >> 8).astype(np.uint8)[image]
        return self.samples.inverted(image)


def check_alike(number: int, found: tuple[object, object], first: tuple[object, object]) -> None:
    """Raise ``ValueError`` unless a page, counted from 1, has the shape and type of the first.

    Example:
        >>> check_alike(2, ((4, 6), np.dtype("u1")), ((4, 6), np.dtype("u1")))
    """
    if found != first:
        raise ValueError(
            f"page {number} is {found[0]} {found[1]}, page 1 is {first[0]} {first[1]}: all pages of a file must have "
            "the same shape and type"
        )


def _followed(file: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    """Yield the pages; raise ``ValueError`` if a page points back to an earlier one, or the file is truncated."""
    seen: dict[int, int] = {}
    for number, page in enumerate(file.pages, 1):
        if page.offset in seen:
            raise ValueError(f"its pages form a circle: page {number - 1} is followed by page {seen[page.offset]}")
        seen[page.offset] = number
        if isinstance(page, tifffile.TiffPage):
            yield page
    if not seen:
        raise ValueError("it has no page")
    file.filehandle.seek(file.pages.next_page_offset or 0)
    if file.filehandle.read(file.tiff.offsetsize) != bytes(file.tiff.offsetsize):
        raise ValueError(f"it is truncated: another page should follow the {len(seen)} that were found")


def _meaning(page: tifffile.TiffPage, imagej: bool) -> Samples:
    """Return the meaning of the samples of a page.

    Raises:
        ValueError: The colors are neither grayscale nor RGB, or pixels have one bit or one without size.
    """
    colors = _colors(page)
    if page.dtype is None or 0 in page.shape:
        raise ValueError(f"page 1 has shape {page.shape} and type {page.dtype}: it has no pixels that can be read")
    if page.dtype == np.bool_:
        raise ValueError("its pixels have one bit, black or white: convert it to grayscale first")
    if colors == "ycbcr" and page.compression in _JPEG:
        colors = "rgb"
    table = None
    if colors == "palette" and page.colormap is not None:  # ImageJ stores measured values with a table to show them
        table, colors = page.colormap, "palette" if imagej else "rgb"
    if colors not in ("minisblack", "miniswhite", "rgb", "palette"):
        raise ValueError(f"its colors are {_colors(page)}, expected grayscale or RGB: convert the file first")
    beside = page.samplesperpixel - (3 if colors == "rgb" and table is None else 1)
    alpha = _ALPHA.get(page.extrasamples[0]) if beside == 1 and page.extrasamples else None
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 8 * page.dtype.itemsize
    return Samples(
        cast(Colors, colors),
        alpha=alpha,
        images=page.samplesperpixel if beside > 0 and alpha is None else 1,
        bits=bits if page.dtype.kind == "u" and bits < 8 * page.dtype.itemsize else None,
        orientation=int(page.tags.valueof(274, default=1)),
        table=table,
    )


def check_complete(page: tifffile.TiffPage) -> None:
    """Raise ``ValueError`` if parts of the pixels are missing, which tifffile reads as 0."""
    size, expected = page.parent.filehandle.size, math.prod(page.chunked)
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    missing = [number for number, (at, length) in enumerate(parts) if not (at and length and at + length <= size)]
    if missing or len(parts) < expected:
        found = len(parts) - len(missing)
        raise ValueError(f"it is damaged: {found} of {expected} parts of its pixels are in the file")


def _stored_behind(file: tifffile.TiffFile, page: tifffile.TiffPage) -> np.ndarray | None:
    """Return the images that are stored contiguously behind a single page, or None if there is only one image."""
    if not (file.is_imagej or file.is_shaped or file.is_stk) or page.dtype is None:
        return None
    count = file.series[0].size // page.size
    if count == 1:
        return None
    return np.memmap(
        file.filehandle.path, page.dtype.newbyteorder(file.byteorder), "r", page.dataoffsets[0], (count, *page.shape)
    )


def _colors(page: tifffile.TiffPage) -> str:
    """Return the photometric interpretation of a page, in lower case."""
    return tifffile.PHOTOMETRIC(page.photometric).name.lower()
