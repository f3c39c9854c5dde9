"""HEIC and HEIF files, by pillow-heif: photographs of phones and cameras. They are only read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from scorematching.images.io.limits import check_images, read_file
from scorematching.images.io.metadata import Metadata
from scorematching.runtime.extras import required

#: Codes of brightness curves for displays of high dynamic range, by ITU-T H.273.
_HIGH_RANGE = {16: "PQ", 18: "HLG"}


def opened(path: Path) -> Any:
    """Open a file, whose images are decoded when they are used. Colors of 10 and 12 bits become 16 bits, not 8."""
    return required("pillow_heif", "formats").open_heif(read_file(path), convert_hdr_to_8bit=False)


def read(path: Path) -> np.ndarray:
    """Read the main image, upright: uint8, or uint16 if it has 10 or 12 bits.

    Warns:
        UserWarning: The file has other images too, or its colors are for displays of high dynamic range.

    Example:
        >>> import tempfile, pillow_heif
        >>> path = Path(tempfile.mkdtemp()) / "image.heic"
        >>> pillow_heif.from_bytes("L", (64, 32), bytes(64 * 32)).save(path)
        >>> read(path).shape
        (32, 64)
    """
    file = opened(path)
    if len(file) > 1:
        warnings.warn(f"{path.name} has {len(file)} images, of which only the main one is read", stacklevel=2)
    curve = _HIGH_RANGE.get((file.info.get("nclx_profile") or {}).get("transfer_characteristics", 0))
    if curve and not file.info.get("icc_profile"):
        warnings.warn(
            f"{path.name} has colors of high dynamic range ({curve}): results keep the values, but not their meaning",
            stacklevel=2,
        )
    channels = len(file.mode.partition(";")[0])
    check_images((file.size[1], file.size[0], channels), np.dtype(np.uint16), path.stat().st_size)
    return np.array(file)


def read_metadata(path: Path) -> Metadata:
    """Read color profile, EXIF and XMP, as if the image were stored upright.

    Example:
        >>> import tempfile, pillow_heif
        >>> path = Path(tempfile.mkdtemp()) / "image.heic"
        >>> pillow_heif.from_bytes("L", (64, 32), bytes(64 * 32)).save(path)
        >>> read_metadata(path).icc
    """
    info = opened(path).info
    required("pillow_heif", "formats").set_orientation(info)
    kept = {"xmp": info["xmp"]} if info.get("xmp") else {}
    return Metadata(icc=info.get("icc_profile") or None, exif=info.get("exif"), jpeg=kept)
