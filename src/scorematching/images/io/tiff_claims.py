"""Numbers of pages that descriptions in a TIFF claim: those of tifffile, ImageJ and OME."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import tifffile

_SHAPE = re.compile(r'"shape":\s*\[([\d,\s]+)\]')
_IMAGES = re.compile(r"^images=(\d+)\s*$", re.MULTILINE)
#: Lines of ImageJ that depend on the number of images.
_COUNTS = re.compile(r"^(?:images|channels|slices|frames|hyperstack|mode)=.*\n?", re.MULTILINE)
_PIXELS, _SIZES = re.compile(r"<(?:\w+:)?Pixels\b[^>]*"), re.compile(r'\bSize[ZCT]\s*=\s*["\'](\d+)')
_NAMES = re.compile(r'\bFileName\s*=\s*["\']([^"\']*)')


def check_claims(pages: Sequence[tifffile.TiffPage], behind: int | None) -> None:
    """Raise ``ValueError`` if a file has fewer pages than its descriptions claim.

    Args:
        pages: Its pages at full size.
        behind: Number of images behind the only page, or None if each page has one.
    """
    found, at = len(pages) if behind is None else behind, 0
    while at < len(pages):
        claim, text = claimed(pages[at], first=at == 0), pages[at].shaped_description or ""
        if len(pages) > 1 and claim > 1 and '"truncated": true' in text:
            raise ValueError("it has several stacks, each behind one page: save them apart")
        if at + claim > found:
            raise ValueError(f"it is truncated: {found} of {at + claim} pages are in the file")
        at += claim


def claimed(page: tifffile.TiffPage, *, first: bool) -> int:
    """Return the number of pages that the description of a page claims to follow, with itself; 1 if it has none.

    Descriptions of ImageJ and OME are for the whole file, and count only in its first page. OME-XML of several files or
    images claims nothing here.
    """
    shape = _SHAPE.search(page.shaped_description or "")
    if shape is not None:
        return max(math.prod(map(int, re.findall(r"\d+", shape[1]))) // max(page.size, 1), 1)
    count = 1
    if first and page.imagej_description is not None:
        images = _IMAGES.search(page.imagej_description)
        count = int(images[1]) if images is not None else 1
    elif first and page.is_ome:
        pixels = _PIXELS.findall(page.description)
        alone = len(pixels) == 1 and len(set(_NAMES.findall(page.description))) <= 1
        count = math.prod(map(int, _SIZES.findall(pixels[0]))) if alone else 1
    samples = page.size // max(page.imagelength * page.imagewidth, 1)  # channels, and slices of a block
    return max(count // max(samples, 1), 1)


def with_count(page: tifffile.TiffPage, count: int) -> str | None:
    """Return the description of a page if only so many pages follow, with itself; None to leave OME-XML out."""
    shape = _SHAPE.search(page.description)
    if page.shaped_description is not None and shape is not None:
        sizes = [count, *page.shape] if count > 1 else list(page.shape)
        return page.description.replace(shape[0], f'"shape": {sizes}')
    return None if page.is_ome else _COUNTS.sub("", page.description)
