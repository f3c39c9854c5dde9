"""Pages of a TIFF, and the meaning of their samples: colors, alpha, color tables, separate channels."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import tifffile

from scorematching.images.io.contiguous import Contiguous
from scorematching.images.io.limits import check_images
from scorematching.images.io.metadata import Alpha, Colors, Samples
from scorematching.images.io.tiff_claims import check_claims
from scorematching.images.io.tiff_structure import followed, read_page

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
        ValueError: The file is truncated, or has fewer pages than its description claims; its pages form a circle, or
            take more memory than is allowed; the pages differ in shape, type or meaning; or the colors of a page are
            neither grayscale nor RGB.

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
        every = list(followed(file))
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
        check_images(first.shape, np.dtype(first.dtype), file.filehandle.size, len(self.pages))
        self._stored = _stored_behind(file, first) if len(self.pages) == 1 else None
        check_claims(self.pages, None if self._stored is None else len(self._stored))

    def __len__(self) -> int:
        return (len(self.pages) if self._stored is None else len(self._stored)) * self.samples.images

    def __getitem__(self, index: int) -> np.ndarray:
        number, channel = divmod(index, self.samples.images)
        page = self.pages[0 if self._stored is not None else number]
        try:
            image = self._arranged(page, read_page(page) if self._stored is None else self._stored[number])
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


def _stored_behind(file: tifffile.TiffFile, page: tifffile.TiffPage) -> Contiguous | None:
    """Return the images that are stored contiguously behind a single page, or None if there is only one image."""
    if not (file.is_imagej or file.is_shaped or file.is_stk) or page.dtype is None:
        return None
    count = file.series[0].size // page.size
    if count == 1:
        return None
    dtype = page.dtype.newbyteorder(file.byteorder)
    return Contiguous(Path(file.filehandle.path), page.dataoffsets[0], count, page.shape, dtype)


def _colors(page: tifffile.TiffPage) -> str:
    """Return the photometric interpretation of a page, in lower case."""
    return tifffile.PHOTOMETRIC(page.photometric).name.lower()
