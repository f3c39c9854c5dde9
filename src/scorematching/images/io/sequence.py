"""Order of the pages of a file: which of them are neighbors in time or depth, or as channels."""

from __future__ import annotations

import math
from pathlib import Path

import tifffile

from scorematching.images.io.errors import named
from scorematching.images.io.files import count_pages, read_metadata
from scorematching.images.io.formats import TIFF_SUFFIXES
from scorematching.images.io.tiff_structure import series_of
from scorematching.images.neighbors import lines


def lines_of_pages(path: str | Path) -> list[list[int]]:
    """Return the numbers of the pages of a file that are neighbors: along time, or else along depth, or else channels.

    The axes are those that a TIFF names. Pages without names follow one another, along the last dimension before those
    of an image if there are several. If the names do not fit the pages, no
    page follows another.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It can't be read.

    Example:
        >>> import numpy as np, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "cells.tif"
        >>> tifffile.imwrite(path, np.zeros((3, 2, 40, 60), np.uint16), imagej=True, metadata={"axes": "TCYX"})
        >>> lines_of_pages(path)
        [[0, 2, 4], [1, 3, 5]]
    """
    count = count_pages(path)
    if Path(path).suffix.lower() in TIFF_SUFFIXES:
        with named(Path(path)), tifffile.TiffFile(path) as file:
            series = series_of(file)[0]
            axes, places = _letters(series.axes), [page.index for page in series.pages if page is not None]
        for of_image in ("YX", "YXS"):  # samples that are neither colors nor alpha are images
            leading = [
                (letter, size) for letter, size in zip(axes, series.shape, strict=True) if letter not in of_image
            ]
            sizes = [size for _, size in leading]
            if math.prod(sizes) == count:
                found = lines(sizes, "".join(letter for letter, _ in leading).replace("S", "C"))
                if len(places) < count:  # several images behind a page, in their order
                    return found
                order = sorted(range(count), key=places.__getitem__)  # OME may name them in another order
                ranks = {number: rank for rank, number in enumerate(order)}
                return [[ranks[number] for number in line] for line in found]
        if set("TZC") & set(axes):
            return lines((count,), "?")
    shape = read_metadata(path).leading or (count,)
    return lines(shape, "?" * (len(shape) - 1) + "T")


def _letters(axes: str) -> str:
    """Return the letters of axes. Without time and depth, the last one without a name counts as time."""
    unnamed = [place for place, letter in enumerate(axes) if letter in "IQR"]
    if set("TZ") & set(axes) or not unnamed:
        return axes
    return axes[: unnamed[-1]] + "T" + axes[unnamed[-1] + 1 :]
