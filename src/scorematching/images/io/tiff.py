"""TIFF files of one or several pages, with their tags, by tifffile."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from scorematching.images.io.metadata import (
    IN_PIXELS,
    ExtraTag,
    Metadata,
    Samples,
    TiffTags,
    Unit,
    is_ome,
    without_file_names,
)
from scorematching.images.io.tiff_claims import claimed, with_count
from scorematching.images.io.tiff_pages import TiffPages, check_alike

_DESCRIPTION = 270
#: Codes of the tags that are kept: names, makers, dates, descriptions, positions, XMP, IPTC, GeoTIFF, and those of
#: ImageJ and Micro-Manager.
_KEPT = IN_PIXELS | {269, _DESCRIPTION, 271, 272, 274, 285, 286, 287, 297, 305, 306}
_KEPT |= {315, 316, 700, 33432, 33723, 34377, 42112, 42113, 51123}
_UNITS: dict[int, Unit] = {2: "inch", 3: "centimeter"}
#: Largest size of a classic TIFF in bytes, as in tifffile. Larger files are written as BigTIFF.
_CLASSIC = 2**32 - 2**25


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
        if images.has_mask:
            warnings.warn(f"{path.name}: its transparency mask is left out", stacklevel=4)
        first, apart = images.pages[0], [()] * (images.samples.images - 1)
        kept = _KEPT - {_DESCRIPTION} if images.became_colors else _KEPT
        pages = [[tuple(_packed(file, tag) for tag in page.tags if tag.code in kept), *apart] for page in images.pages]
        listed = list(chain(*pages))
        tags = TiffTags(
            pages=(*listed, *[()] * (len(images) - len(listed))),
            byteorder=file.byteorder,
            imagej=file.is_imagej,
            samples=images.samples,
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
    tags, rest = metadata.tiff, _joined(iter(pages), metadata.tiff.samples)
    first = next(rest)
    images = tags.samples.images if first.ndim == 3 and tags.samples.images == first.shape[2] else 1
    with tifffile.TiffWriter(path, byteorder=tags.byteorder, bigtiff=count * first.nbytes > _CLASSIC) as file:
        for number, page in enumerate(chain([first], rest)):
            check_alike(number + 1, (page.shape, page.dtype), (first.shape, first.dtype))
            of_page = tags.pages[images * number] if images * number < len(tags.pages) else ()
            file.write(
                tags.samples.inverted(tags.samples.clipped(page)),
                **_layout(page, tags.samples, images),
                compression=None if tags.imagej or tags.samples.bits else "zlib",
                contiguous=tags.imagej,
                resolution=metadata.resolution,
                resolutionunit=metadata.unit,
                iccprofile=metadata.icc,
                software=False,
                metadata=None,
                extratags=[kept for tag in of_page if (kept := _fitting(tag, page.shape, count // images))],
            )
    if images * (number + 1) < count:
        _correct_claims(path)


def _correct_claims(path: Path) -> None:
    """Correct the descriptions of a written file that has fewer pages than the file that they were copied from."""
    with tifffile.TiffFile(path, mode="r+") as file:
        pages = list(file.pages)
        for number, page in enumerate(pages):
            assert isinstance(page, tifffile.TiffPage)
            rest = len(pages) - number
            if claimed(page, first=number == 0) > rest:
                text = with_count(page, rest)
                if text is None:
                    warnings.warn("the OME-XML describes more pages than are written and is left out", stacklevel=2)
                page.tags[_DESCRIPTION].overwrite((text or "").encode())


def _joined(images: Iterator[np.ndarray], samples: Samples) -> Iterator[np.ndarray]:
    """Yield pages: images, or as many gray images as a page was split into, with channels last."""
    while group := list(islice(images, samples.images)):
        if len(group) == samples.images > 1 and all(image.ndim == 2 for image in group):
            yield np.stack(group, 2)
        else:
            yield from group


def _layout(page: np.ndarray, samples: Samples, images: int) -> dict[str, Any]:
    """Return the options of tifffile that describe the samples of a page.

    Args:
        page: Page to write, shape (H, W) or (H, W, C).
        samples: Meaning of the samples of the original file.
        images: Number of images that were joined to a page.
    """
    channels = page.shape[2] if page.ndim == 3 else 1
    colors = 3 if channels >= 3 and (images == 1 or samples.colors == "rgb") else 1
    extra = [samples.alpha or "unassalpha"] if images == 1 else ["unspecified"] * (channels - colors)
    options: dict[str, Any] = {
        "photometric": "rgb" if colors == 3 else "minisblack" if samples.colors == "rgb" else samples.colors,
        "planarconfig": "contig" if channels > 1 else None,
        "extrasamples": extra if channels > colors else None,
    }
    if options["photometric"] == "palette":
        options["colormap"] = samples.table
    if samples.bits is not None and page.dtype.kind == "u":
        options["bitspersample"] = samples.bits
    return options


def _fitting(tag: ExtraTag, shape: tuple[int, ...], count: int) -> ExtraTag | None:
    """Return a tag that fits the written page, or None to drop it.

    A description in the form of tifffile, ``{"shape": [...]}``, is updated to the shape of the page. It is dropped if
    the leading dimensions do not fit the number of pages. OME-XML no longer names the original file, from which some
    programs would read the pixels. Other tags are returned unchanged.

    Args:
        tag: Tag of the original page.
        shape: Shape of the written page.
        count: Number of pages.
    """
    code, kind, size, value, once = tag
    if code == _DESCRIPTION and is_ome(value):
        alone = without_file_names(value)
        if alone is None:
            warnings.warn("the OME-XML describes several files and is left out", stacklevel=2)
        return None if alone is None else (code, kind, len(alone), alone, once)
    if code != _DESCRIPTION or not (value.startswith(b"{") and b'"shape":' in value):
        return tag
    entries = json.loads(value.rstrip(b"\0"))
    before = entries["shape"][: -len(shape)]
    if len(before) + len(shape) != len(entries["shape"]) or math.prod(before) > count:
        return None
    stale = {"truncated"} | ({"axes"} if len(shape) == 3 and not entries.get("axes", "").endswith("S") else set())
    entries = {name: entry for name, entry in entries.items() if name not in stale}
    return code, kind, size, json.dumps(entries | {"shape": [*before, *shape]}).encode(), once
