"""BMP, PGM, PPM and WebP files, by Pillow."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.WebPImagePlugin import WebPImageFile

from scorematching.images.io.metadata import Metadata, warn_of_frames
from scorematching.images.io.pillow import opened

_CLASSES = {"BMP": BmpImageFile, "PPM": PpmImageFile, "WEBP": WebPImageFile}
#: Modes of Pillow that are read as they are. One with a color table becomes a color image.
_MODES = ("L", "LA", "RGB", "RGBA")


@dataclass(frozen=True)
class Raster:
    """Format of Pillow.

    Attributes:
        kind: Pillow's name of the format. ``"PPM"`` is for PGM too.

    Example:
        >>> import tempfile
        >>> path, bmp = Path(tempfile.mkdtemp()) / "image.bmp", Raster("BMP")
        >>> _ = path.write_bytes(bmp.encode(np.zeros((4, 6), np.uint8), Metadata(resolution=(300.0, 300.0))))
        >>> bmp.read(path).shape
        (4, 6)
    """

    kind: Literal["BMP", "PPM", "WEBP"]

    def read(self, path: Path) -> np.ndarray:
        """Read the image: the first frame of an animation, with a warning.

        Raises:
            ValueError: Its colors are neither grayscale nor RGB, or the largest value of a PGM or PPM is not that of
                its type.
        """
        with opened(path, _CLASSES[self.kind]) as image:
            warn_of_frames(path, getattr(image, "n_frames", 1))
            if self.kind == "PPM" and image.mode != "1":
                _check_largest(path, 65535 if image.mode in ("I", "I;16") else 255)
            if image.mode == "P":
                return np.asarray(image.convert("RGB"))
            if image.mode in ("I", "I;16"):  # PGM of 16 bits
                return np.asarray(image).astype(np.uint16)
            if image.mode not in _MODES:
                raise ValueError(f"its colors are {image.mode}, expected grayscale or RGB: convert the file first")
            return np.asarray(image)

    def read_metadata(self, path: Path) -> Metadata:
        """Read resolution, color profile and EXIF."""
        with opened(path, _CLASSES[self.kind]) as image:
            return Metadata(image.info.get("dpi"), icc=image.info.get("icc_profile"), exif=image.info.get("exif"))

    def encode(self, image: np.ndarray, metadata: Metadata) -> bytes:
        """Return the bytes of a file, without loss.

        Args:
            image: Image of shape (H, W) or (H, W, C), uint8, or uint16 for a PGM.
            metadata: Metadata to store, as far as the format can.
        """
        height, width = image.shape[:2]
        file, options = io.BytesIO(), {} if self.kind == "PPM" else metadata.pillow_options(width, height)
        if self.kind == "WEBP":
            options |= {"lossless": True, "exact": True}
        Image.fromarray(image).save(file, self.kind, **options)
        return file.getvalue()


def _check_largest(path: Path, expected: int) -> None:
    """Raise ``ValueError`` if a PGM or PPM has another largest value than expected: its values would be changed.

    The header has a magic number, the width, the height and the largest value.
    """
    words: list[bytes] = []
    with path.open("rb") as file:
        while len(words) < 4:
            words += next(file).split(b"#")[0].split()
    if int(words[3]) != expected:
        raise ValueError(f"its largest value is {int(words[3])}, expected 255, or 65535 for a PGM: convert it to TIFF")
