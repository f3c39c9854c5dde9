"""PNG: pixels by imagecodecs, which knows 16-bit color, and what else there is by Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image, PngImagePlugin

from scorematching.images.io.metadata import Metadata

#: What colors mean, when the image was changed, texts.
_KEPT = frozenset((b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tIME", b"tEXt", b"zTXt", b"iTXt"))
#: Resolution, color profile and EXIF, which Pillow makes.
_MADE = frozenset((b"pHYs", b"iCCP", b"eXIf"))
#: Bytes: the signature, a checksum; the signature with the header behind it (length, name, 13 bytes, checksum).
_SIGNATURE, _CHECKSUM = 8, 4
_HEAD = _SIGNATURE + 4 + 4 + 13 + _CHECKSUM


def read(path: Path) -> np.ndarray:
    """The image."""
    return imagecodecs.png_decode(path.read_bytes())


def read_metadata(path: Path) -> Metadata:
    """Resolution, color profile, EXIF, and the chunks with colors and texts."""
    with PngImagePlugin.PngImageFile(path) as image:  # Image.open would refuse one of very many pixels
        info = dict(image.info)
    kept = _KEPT | {b"pHYs"} if "aspect" in info else _KEPT  # of no unit: the shape of a pixel
    chunks = tuple(chunk for chunk in _chunks(path) if chunk[0] in kept)
    return Metadata(info.get("dpi"), icc=info.get("icc_profile"), exif=info.get("exif"), chunks=chunks)


def _chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents; those of the pixels are not read."""
    with path.open("rb") as file, PngImagePlugin.ChunkStream(file) as stream:
        file.seek(_SIGNATURE)
        name = b""
        while name != b"IEND":
            name, place, length = stream.read()
            yield name, b"" if name == b"IDAT" else file.read(length)
            file.seek(place + length + _CHECKSUM)


def encode(image: np.ndarray, metadata: Metadata) -> bytes:
    """A PNG file of (H, W) or (H, W, C), uint8 or uint16."""
    height, width = image.shape[:2]
    given = {"dpi": metadata.dpi, "icc_profile": metadata.icc, "exif": metadata.exif_for(width, height)}
    made = PngImagePlugin.getchunks(Image.new("L", (1, 1)), **{name: it for name, it in given.items() if it})
    between = io.BytesIO()
    for name, content in (*(chunk[:2] for chunk in made if chunk[0] in _MADE), *metadata.chunks):
        PngImagePlugin.putchunk(between, name, content)
    file = imagecodecs.png_encode(image)
    return b"".join((file[:_HEAD], between.getvalue(), file[_HEAD:]))
