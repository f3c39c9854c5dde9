"""Structure of a TIFF: the chain of its pages, the parts of their pixels, and the series that they form."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from scorematching.images.io.limits import check_bytes, check_file
from scorematching.images.io.segments import check_pixels, check_segments

#: Bytes of memory that tifffile takes for a page, and for each strip or tile of it.
_PAGE, _PART = 4096, 80
#: Numbers of images in OME-XML.
_COUNTS = re.compile(r'\b(?:Size[ZCT]|IFD|PlaneCount|NumPlanes|First[ZCT])\s*=\s*["\'](\d+)')
_NAMES = re.compile(r'\bFileName\s*=\s*["\']([^"\']*)')


def followed(file: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    """Yield the pages.

    Raises:
        ValueError: A page points back to an earlier one; there are too many; or the file is truncated.
    """
    seen: dict[int, int] = {}
    memory = 0
    for number, page in enumerate(file.pages, 1):
        if page.offset in seen:
            raise ValueError(f"its pages form a circle: page {number - 1} is followed by page {seen[page.offset]}")
        seen[page.offset] = number
        memory += _PAGE + _PART * len(page.dataoffsets)
        check_bytes(memory, file.filehandle.size, f"the list of its pages, {number:,} so far,")
        if isinstance(page, tifffile.TiffPage):
            yield page
    if not seen:
        raise ValueError("it has no page")
    file.filehandle.seek(file.pages.next_page_offset or 0)
    if file.filehandle.read(file.tiff.offsetsize) != bytes(file.tiff.offsetsize):
        raise ValueError(f"it is truncated: another page should follow the {len(seen)} that were found")


def check_complete(page: tifffile.TiffPage) -> None:
    """Raise ``ValueError`` if parts of the pixels are missing, which tifffile reads as 0."""
    size, expected = page.parent.filehandle.size, math.prod(page.chunked)
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    missing = [number for number, (at, length) in enumerate(parts) if not (at and length and at + length <= size)]
    if missing or len(parts) < expected:
        found = len(parts) - len(missing)
        raise ValueError(f"it is damaged: {found} of {expected} parts of its pixels are in the file")


def read_page(page: tifffile.TiffPage) -> np.ndarray:
    """Return the pixels of a page.

    Raises:
        ValueError: Pixels are missing, or a part of them takes more memory than is allowed.
    """
    check_complete(page)
    check_segments(page)
    image = page.asarray()
    check_pixels(page, image)
    return image


def series_of(file: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """Return the series of a file whose pages were followed.

    Raises:
        ValueError: Its description has more images than the memory that is allowed for their list; or it names another
            file that is a pipe, socket or device.
    """
    if file.is_ome:
        described = str(file.ome_metadata)
        for count in _COUNTS.findall(described):
            check_bytes(_PART * int(count), file.filehandle.size, f"the list of {count} images of its OME-XML")
        for name in set(_NAMES.findall(described)):
            other = Path(file.filehandle.path).parent / name
            if other.exists():
                check_file(other, "another part of the TIFF")
    return file.series


def check_pages(series: tifffile.TiffPageSeries) -> None:
    """Raise ``ValueError`` if pages of a series are in no file, which tifffile reads as 0."""
    if series.dataoffset is not None:
        return  # its images are stored one after another, also behind a single page
    found, expected = sum(page is not None for page in series), series.size // math.prod(series.keyframe.shape)
    if found < expected:
        raise ValueError(
            f"it is damaged: {found} of its {expected} pages are in the file, or in the files that it names"
        )
