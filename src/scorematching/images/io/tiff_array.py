"""TIFF stacks with axes, read region by region: hyperstacks of ImageJ, OME-TIFF, and large tiled images."""

from __future__ import annotations

import atexit
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from scorematching.images.axes import check_axes
from scorematching.images.io.errors import one_line
from scorematching.images.io.limits import check_file
from scorematching.images.io.ome_zarr import EXTRA, StoredArray
from scorematching.images.io.segments import check_segments
from scorematching.images.io.tiff_pages import TiffPages
from scorematching.images.io.tiff_structure import check_complete, check_pages, series_of
from scorematching.runtime.extras import required

#: Open file, by its path and the time of its last change.
_OPEN: dict[tuple[str, int], Any] = {}
#: Names of units in OME-Zarr, by their spelling in TIFF files.
_UNITS = {"µm": "micrometer", "um": "micrometer", "micron": "micrometer", "\\u00B5m": "micrometer", "mm": "millimeter"}
_UNITS |= {"nm": "nanometer", "cm": "centimeter", "inch": "inch", "s": "second", "sec": "second", "ms": "millisecond"}
_UNITS |= {"min": "minute", "hr": "hour"}


@dataclass(frozen=True)
class TiffArray(StoredArray):
    """Array in a TIFF. It is only read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "cells.tif"
        >>> tifffile.imwrite(path, np.zeros((4, 2, 40, 60), np.uint16), imagej=True, metadata={"axes": "TCYX"})
        >>> found = open_tiff(path)
        >>> found.axes, found.counts, found.read((3, 1), slice(5), slice(60)).shape
        ('TCYX', (4, 2), (5, 60))
    """

    def _finest(self, mode: str) -> Any:
        if mode != "r":
            raise ValueError(f"{self.path} is only read")
        return _opened(self.path, Path(self.path).stat().st_mtime_ns)


def _opened(path: str, changed: int) -> Any:
    """Open a TIFF. The last one stays open, because it takes seconds for thousands of pages, unless it has changed."""
    if (path, changed) not in _OPEN:
        _close()
        _OPEN[path, changed] = tifffile.imread(path, aszarr=True, series=0, level=0)
    return required("zarr", EXTRA).open_array(_OPEN[path, changed], mode="r")


@atexit.register
def _close() -> None:
    while _OPEN:
        _OPEN.popitem()[1].close()


def open_tiff(path: str | Path, axes: str | None = None) -> TiffArray:
    """Open the first series of a TIFF.

    Args:
        path: The file.
        axes: Letters of the axes, if the metadata do not name them or are wrong.

    Raises:
        ValueError: The file is damaged, or pages are missing; its values have another meaning than gray or RGB with
            black at 0; or the axes do not fit.
    """
    check_file(path)
    try:
        with tifffile.TiffFile(path) as file:
            pages = TiffPages(file)
            samples = pages.samples
            if samples.colors not in ("minisblack", "rgb") or samples.bits is not None or pages.became_colors:
                raise ValueError(f"its values are {samples.colors} of {samples.bits or 'all'} bits: write a TIFF first")
            for page in pages.pages:
                check_complete(page)
                check_segments(page)
            every = series_of(file)
            series = every[0]
            count = sum(not one.keyframe.is_reduced for one in every)
            if count > 1:
                raise ValueError(f"it has {count} images of different kinds or sizes: save them apart")
            check_pages(series)
            whole = sum(not page.is_reduced for page in pages.pages)
            if (told := series.size // math.prod(series.keyframe.shape)) < whole:
                warnings.warn(f"{path}: only {told} of its {whole} pages are described, and read", stacklevel=2)
            found = axes or _letters(series.axes)
            if axes is None and samples.images > 1:  # neither colors nor alpha
                found = found.replace("S", "C")
            check_axes(found, series.shape)
            return TiffArray(
                str(Path(path).absolute()),
                (),
                found,
                tuple(series.shape),
                np.dtype(series.dtype).newbyteorder("=").name,
            )
    except Exception as error:  # decoders raise many types of errors for damaged files
        raise ValueError(f"{path} can't be read as an array with axes: {one_line(error)}") from None


def pixel_sizes(path: str | Path) -> dict[str, tuple[float, str]]:
    """Return the size of a pixel along the axes for which a TIFF tells it, and its unit as in OME-Zarr.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "cells.tif"
        >>> options = {"resolution": (4, 4), "metadata": {"axes": "ZYX", "spacing": 0.5, "unit": "um"}}
        >>> tifffile.imwrite(path, np.zeros((4, 40, 60), np.uint16), imagej=True, **options)
        >>> pixel_sizes(path)
        {'X': (0.25, 'micrometer'), 'Y': (0.25, 'micrometer'), 'Z': (0.5, 'micrometer')}
    """
    try:
        found = _told_sizes(path)
    except Exception as error:  # damaged descriptions raise many types of errors
        warnings.warn(f"{path}: the sizes of pixels can't be read, and are left out: {one_line(error)}", stacklevel=2)
        return {}
    return {letter: size for letter, size in found.items() if math.isfinite(size[0])}


def _told_sizes(path: str | Path) -> dict[str, tuple[float, str]]:
    """Return the sizes as the file tells them."""
    with tifffile.TiffFile(path) as file:
        if file.is_ome:
            return _sizes_of_ome(str(file.ome_metadata))
        if not file.is_imagej or not file.imagej_metadata:
            return {}
        across, down = file.pages.first.resolution
        told = file.imagej_metadata
        unit = _UNITS.get(str(told.get("unit", "")), "")
        found = {"X": (1 / across, unit), "Y": (1 / down, unit)} if across > 0 and down > 0 and unit else {}
        found |= {"Z": (float(told["spacing"]), unit)} if told.get("spacing") else {}
        return found | (
            {"T": (float(told["finterval"]), _UNITS.get(str(told.get("tunit", "s")), ""))}
            if told.get("finterval")
            else {}
        )


def _letters(axes: str) -> str:
    """Return the letters of axes; pages without a name count as time, or depth if there is time."""
    for other in "IQR":
        axes = axes.replace(other, "Z" if "T" in axes else "T", 1)
    return axes


def _sizes_of_ome(text: str) -> dict[str, tuple[float, str]]:
    """Return the sizes that OME-XML tells."""
    images = tifffile.xml2dict(text)["OME"]["Image"]
    pixels = (images[0] if isinstance(images, list) else images)["Pixels"]
    named = {letter: f"PhysicalSize{letter}" for letter in "XYZ"} | {"T": "TimeIncrement"}
    return {
        letter: (float(pixels[name]), _UNITS.get(str(pixels.get(f"{name}Unit", "s" if letter == "T" else "µm")), ""))
        for letter, name in named.items()
        if float(pixels.get(name, 0)) > 0
    }
