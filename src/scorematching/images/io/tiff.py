"""TIFF files of one or several pages, with their tags, by tifffile."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import tifffile

from scorematching.images.io.metadata import IN_PIXELS, ExtraTag, Metadata, TiffTags, Unit

_DESCRIPTION = 270
#: Codes of the tags that are kept: names, makers, dates, descriptions, positions, XMP, IPTC, GeoTIFF, and those of
#: ImageJ and Micro-Manager.
_KEPT = IN_PIXELS | {269, _DESCRIPTION, 271, 272, 274, 285, 286, 287, 297, 305, 306}
_KEPT |= {315, 316, 700, 33432, 33723, 34377, 42112, 42113, 51123}
_UNITS: dict[int, Unit] = {2: "inch", 3: "centimeter"}
#: Values of the tag ExtraSamples that mark a second channel as alpha.
_ALPHA = (tifffile.EXTRASAMPLE.ASSOCALPHA,), (tifffile.EXTRASAMPLE.UNASSALPHA,)
#: Largest size of a classic TIFF in bytes, as in tifffile. Larger files are written as BigTIFF.
_CLASSIC = 2**32 - 2**25


class TiffPages:
    """Sequence of the images of an open TIFF, read when they are accessed.

    The images are the pages of the file. A file may also store several images contiguously behind a single page, as
    ImageJ does for large stacks.

    Args:
        file: Open file.

    Raises:
        ValueError: The file is truncated; the pages differ in shape or type; or a page is neither grayscale nor RGB.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "stack.tif"
        >>> write(path, [np.zeros((4, 6), np.uint8)] * 3, 3, Metadata())
        >>> with tifffile.TiffFile(path) as file:
        ...     len(TiffPages(file))
        3
    """

    def __init__(self, file: tifffile.TiffFile) -> None:
        # This must come before any access to file.series, after which pages have no tags.
        self.pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
        file.filehandle.seek(file.pages.next_page_offset or 0)
        if file.filehandle.read(file.tiff.offsetsize) != bytes(file.tiff.offsetsize):
            raise ValueError(f"it is truncated: another page should follow the {len(self.pages)} that were found")
        first = self.pages[0]
        for number, page in enumerate(self.pages, 1):
            _check_alike(number, (page.shape, page.dtype), (first.shape, first.dtype))
            if _colors(page) not in ("minisblack", "miniswhite", "rgb"):
                raise ValueError(f"its colors are {_colors(page)}, expected grayscale or RGB: convert the file first")
            beside = page.samplesperpixel - 1
            if _colors(page) != "rgb" and beside and (beside > 1 or page.extrasamples[:1] not in _ALPHA):
                raise ValueError(
                    f"it has {beside + 1} channels that are neither colors nor alpha: save each channel as a page, or "
                    "in a file of its own"
                )
        self._stored = _stored_behind(file, first) if len(self.pages) == 1 else None

    def __len__(self) -> int:
        return len(self.pages) if self._stored is None else len(self._stored)

    def __getitem__(self, index: int) -> np.ndarray:
        try:
            if self._stored is not None:
                return _upright(self.pages[0], self._stored[index])
            return _upright(self.pages[index], self.pages[index].asarray())
        except (ValueError, RuntimeError, OSError, tifffile.TiffFileError) as error:
            raise ValueError(f"page {index + 1}: {error}" if len(self) > 1 else str(error)) from None


def _check_alike(number: int, found: tuple[object, object], first: tuple[object, object]) -> None:
    """Raise ``ValueError`` unless a page, counted from 1, has the shape and type of the first."""
    if found != first:
        raise ValueError(
            f"page {number} is {found[0]} {found[1]}, page 1 is {first[0]} {first[1]}: all pages of a file must have "
            "the same shape and type"
        )


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


def _upright(page: tifffile.TiffPage, image: np.ndarray) -> np.ndarray:
    """Return an image with channels last and black at zero, in native byte order."""
    if image.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        image = np.moveaxis(image, 0, 2)
    image = np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("="))
    if _colors(page) == "miniswhite":
        if image.dtype.kind != "u":
            raise ValueError("it is floating point with white at zero, which is not supported: invert the file first")
        image = np.iinfo(image.dtype).max - image
    return image


def read_metadata(path: Path) -> Metadata:
    """Read resolution, color profile, and the tags that do not describe how the pixels are stored.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.tif"
        >>> write(path, [np.zeros((4, 6), np.uint8)], 1, Metadata(resolution=(300.0, 300.0)))
        >>> read_metadata(path).resolution
        (300.0, 300.0)
    """
    with tifffile.TiffFile(path) as file:
        images = TiffPages(file)
        first = images.pages[0]
        pages = [tuple(_packed(file, tag) for tag in page.tags if tag.code in _KEPT) for page in images.pages]
        tags = TiffTags(
            pages=(*pages, *[()] * (len(images) - len(pages))),
            byteorder=file.byteorder,
            imagej=file.is_imagej,
            alpha="assocalpha" if tifffile.EXTRASAMPLE.ASSOCALPHA in first.extrasamples else "unassalpha",
        )
        known = 282 in first.tags and 283 in first.tags
        unit = _UNITS.get(first.resolutionunit, "none")
        return Metadata(first.resolution if known else None, unit, first.iccprofile, tiff=tags)


def _packed(file: tifffile.TiffFile, tag: tifffile.TiffTag) -> ExtraTag:
    """Return a tag with its value as stored in the file."""
    file.filehandle.seek(tag.valueoffset)
    return tag.code, int(tag.dtype), tag.count, file.filehandle.read(tag.valuebytecount), False


def write(path: Path, pages: Iterable[np.ndarray], count: int, metadata: Metadata) -> None:
    """Write images of one shape and type as pages.

    Args:
        path: File to write.
        pages: One or more images of shape (H, W) or (H, W, C).
        count: Number of images, or a lower bound if it is not known.
        metadata: Metadata of the file. The tags of its pages are written to the pages in order.

    Raises:
        ValueError: The images differ in shape or type.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "stack.tif"
        >>> write(path, [np.zeros((4, 6), np.uint8)] * 3, 3, Metadata())
        >>> tifffile.imread(path).shape
        (3, 4, 6)
    """
    tags, rest = metadata.tiff, iter(pages)
    first = next(rest)
    channels = first.shape[2] if first.ndim == 3 else 1
    with tifffile.TiffWriter(path, byteorder=tags.byteorder, bigtiff=count * first.nbytes > _CLASSIC) as file:
        for number, page in enumerate(chain([first], rest)):
            _check_alike(number + 1, (page.shape, page.dtype), (first.shape, first.dtype))
            of_page = tags.pages[number] if number < len(tags.pages) else ()
            file.write(
                page,
                photometric="rgb" if channels >= 3 else "minisblack",
                planarconfig="contig" if channels > 1 else None,
                extrasamples=[tags.alpha] if channels in (2, 4) else None,
                compression=None if tags.imagej else "zlib",
                contiguous=tags.imagej,
                resolution=metadata.resolution,
                resolutionunit=metadata.unit,
                iccprofile=metadata.icc,
                software=False,
                metadata=None,
                extratags=[kept for tag in of_page if (kept := _fitting(tag, page.shape, count))],
            )


def _fitting(tag: ExtraTag, shape: tuple[int, ...], count: int) -> ExtraTag | None:
    """Return a tag that fits the written page, or None to drop it.

    A description in the form of tifffile, ``{"shape": [...]}``, is updated to the shape of the page. It is dropped if
    the leading dimensions do not fit the number of pages. Other tags are returned unchanged.

    Args:
        tag: Tag of the original page.
        shape: Shape of the written page.
        count: Number of pages.
    """
    code, kind, size, value, once = tag
    if code != _DESCRIPTION or not (value.startswith(b"{") and b'"shape":' in value):
        return tag
    entries = json.loads(value.rstrip(b"\0"))
    before = entries["shape"][: -len(shape)]
    if len(before) + len(shape) != len(entries["shape"]) or math.prod(before) > count:
        return None
    stale = {"truncated"} | ({"axes"} if len(shape) == 3 and not entries.get("axes", "").endswith("S") else set())
    entries = {name: entry for name, entry in entries.items() if name not in stale}
    return code, kind, size, json.dumps(entries | {"shape": [*before, *shape]}).encode(), once
