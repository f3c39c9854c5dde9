"""Raw files of cameras, developed by LibRaw. They are only read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scorematching.images.io.limits import check_images, read_file
from scorematching.images.io.metadata import Metadata
from scorematching.runtime.extras import required

#: Suffixes of raw files, in lower case.
RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf", ".pef", ".srw")


class Sensor(NamedTuple):
    """Values of a sensor whose pixels see red, green, green and blue in squares of 2 x 2.

    Attributes:
        planes: Values above those without light, float32, shape (4, H / 2, W / 2): red, green, green, blue. Odd numbers
            of rows and columns are made even by reflection.
        white: Value of white above that without light.
    """

    planes: np.ndarray
    white: float


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file with rawpy.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: LibRaw can't read the file, or it takes more memory than is allowed.
    """
    rawpy = required("rawpy", "formats")
    content = read_file(path)
    try:
        with rawpy.imread(io.BytesIO(content)) as file:  # LibRaw itself would print the name of the file as it is
            _check_sizes(file, len(content))
            yield file
    except rawpy.LibRawError as error:  # its message is in bytes
        why = "it is truncated, or can't be read" if isinstance(error, rawpy.LibRawIOError) else _text(error)
        raise ValueError(f"{path} can't be read as an image: {why}") from None


def _check_sizes(file: Any, stored: int) -> None:
    """Raise ``ValueError`` if the image of an open file takes more memory than is allowed."""
    sizes = file.sizes
    height, width = max(sizes.raw_height, sizes.iheight), max(sizes.raw_width, sizes.iwidth)
    check_images((height, width, 3), np.dtype(np.uint16), stored)


def _text(error: Exception) -> str:
    return b" ".join(part for part in error.args if isinstance(part, bytes)).decode(errors="replace") or str(error)


def read(path: Path) -> np.ndarray:
    """Develop the image of a file; see :func:`develop`.

    Raises:
        ValueError: LibRaw can't read the file.
    """
    with opened(path) as file:
        return develop(file)


def is_mosaic(file: Any) -> bool:
    """Return whether the pixels of an open file are in squares of red, green, green and blue."""
    return _places(file) is not None


def sensor_of(file: Any) -> Sensor | None:
    """Return the values of the sensor of an open file; ``None`` if it has no squares of red, green, green and blue."""
    places = _places(file)
    if places is None:
        return None
    values = _evened(file.raw_image_visible)
    black = [file.black_level_per_channel[file.raw_pattern[place]] for place in places]
    planes = [values[down::2, across::2] - np.float32(dark) for (down, across), dark in zip(places, black, strict=True)]
    return Sensor(np.stack(planes), file.white_level - float(np.mean(black)))


def put_back(planes: np.ndarray, file: Any) -> None:
    """Replace the values of the sensor of an open file by those of planes, as :func:`sensor_of` returns them."""
    places = _places(file)
    assert places is not None
    visible = file.raw_image_visible
    values = _evened(visible).copy()
    for (down, across), plane in zip(places, planes, strict=True):
        black = file.black_level_per_channel[file.raw_pattern[down, across]]
        values[down::2, across::2] = np.clip(np.rint(plane + black), 0, file.white_level)
    visible[:] = values[: visible.shape[0], : visible.shape[1]]


def _places(file: Any) -> list[tuple[int, int]] | None:
    """Return the places of red, green, green and blue in the squares of a sensor, if it has them."""
    pattern = file.raw_pattern
    if pattern is None or pattern.shape != (2, 2) or file.raw_image_visible.ndim != 2 or file.white_level is None:
        return None
    colors = [(chr(file.color_desc[pattern[place]]), place) for place in np.ndindex(2, 2)]
    ordered = sorted(colors, key=lambda one: "RGB".find(one[0]))
    return [place for _, place in ordered] if [color for color, _ in ordered] == [*"RGGB"] else None


def _evened(values: np.ndarray) -> np.ndarray:
    """Return values with even numbers of rows and columns, by reflection, which keeps the colors in their places."""
    return np.pad(values, [(0, n % 2) for n in values.shape], "reflect")


def develop(file: Any, demosaic: str = "DHT") -> np.ndarray:
    """Return an open file of rawpy as an image of sRGB, upright, uint16: (H, W, 3), or (H, W) if it is gray.

    White balance is that of the camera, and brightness that of the exposure.

    Args:
        file: The file.
        demosaic: LibRaw's name of the method that fills in the colors between the pixels of the sensor.
    """
    image = file.postprocess(
        demosaic_algorithm=required("rawpy", "formats").DemosaicAlgorithm[demosaic],
        use_camera_wb=True,
        output_bps=16,
        no_auto_bright=True,
        adjust_maximum_thr=0.0,  # white is that of the sensor, not the brightest pixel
        gamma=(2.4, 12.92),
    )
    return image[..., 0] if image.shape[2] == 1 else image


def read_metadata(path: Path) -> Metadata:
    """Return no metadata: those of the camera do not describe the developed image.

    Example:
        >>> read_metadata(Path("photograph.dng")) == Metadata()
        True
    """
    return Metadata()
