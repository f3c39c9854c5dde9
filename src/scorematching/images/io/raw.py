"""Raw files of cameras, developed by LibRaw. They are only read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scorematching.images.io.metadata import Metadata
from scorematching.runtime.extras import required

#: Suffixes of raw files, in lower case.
RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf", ".pef", ".srw")


def read(path: Path) -> np.ndarray:
    """Develop the image of a file; see :func:`develop`.

    Raises:
        ValueError: LibRaw can't read the file.
    """
    rawpy = required("rawpy", "formats")
    try:
        with rawpy.imread(str(path)) as file:
            return develop(file)
    except rawpy.LibRawError as error:  # its message is in bytes
        raise ValueError(b" ".join(error.args).decode(errors="replace")) from None


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
