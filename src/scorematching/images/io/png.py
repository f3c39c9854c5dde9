"""PNG files: pixels by imagecodecs, which supports 16-bit color, and metadata by Pillow."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image, PngImagePlugin

from scorematching.images.io.limits import check_images, read_file
from scorematching.images.io.metadata import Metadata, warn_of_frames
from scorematching.images.io.pillow import opened

#: Chunks that are copied: definition of colors, date of change, texts.
_KEPT = frozenset((b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tIME", b"tEXt", b"zTXt", b"iTXt"))
#: Chunks that Pillow encodes: resolution, color profile, EXIF.
_MADE = frozenset((b"pHYs", b"iCCP", b"eXIf"))
#: Largest number of channels that an image of a kind of colors has when it is read, by the number in the header.
_CHANNELS = {0: 2, 2: 4, 3: 4, 4: 2, 6: 4}
#: Kind of colors with a palette.
_PALETTE = 3
#: Sizes in bytes of the signature and of a checksum.
_SIGNATURE, _CHECKSUM = 8, 4
#: Chunks that pixels are decoded from.
_OF_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
#: Size in bytes of the signature and the header chunk (length, name, 13 bytes, checksum).
_HEAD = _SIGNATURE + 4 + 4 + 13 + _CHECKSUM


def read(path: Path) -> np.ndarray:
    """Read the image: the first frame of an animation, with a warning.

    Raises:
        ValueError: It is damaged, or has no pixels; or the image takes more memory than is allowed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.png"
        >>> _ = path.write_bytes(encode(np.zeros((4, 6), np.uint16), Metadata()))
        >>> read(path).dtype
        dtype('uint16')
    """
    _check_header(path)
    found = dict(chunks(path))
    if b"IDAT" not in found:
        raise ValueError("it is damaged: it has no pixels")
    frames = found.get(b"acTL", b"\0\0\0\1")
    warn_of_frames(path, int.from_bytes(frames[:4], "big"))
    image = imagecodecs.png_decode(_plain(read_file(path)))
    _check_palette(path, found[b"IHDR"], len(found.get(b"PLTE", b"")) // 3)
    return image


def read_metadata(path: Path) -> Metadata:
    """Read resolution, color profile, EXIF, and the chunks about colors and with texts.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.png"
        >>> _ = path.write_bytes(encode(np.zeros((4, 6), np.uint8), Metadata(icc=b"profile")))
        >>> read_metadata(path).icc
        b'profile'
    """
    _check_header(path)
    with opened(path, PngImagePlugin.PngImageFile) as image:
        info = dict(image.info)
    kept = _KEPT | {b"pHYs"} if "aspect" in info else _KEPT  # no unit: an aspect ratio
    found = tuple(chunk for chunk in chunks(path) if chunk[0] in kept)
    return Metadata(info.get("dpi"), icc=info.get("icc_profile"), exif=info.get("exif"), chunks=found)


def _check_header(path: Path) -> None:
    """Raise ``ValueError`` if the image takes more memory than is allowed."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if len(head) < _HEAD or head[12:16] != b"IHDR":
        raise ValueError("it is no PNG file, or damaged at its beginning")
    width, height, depth, colors = struct.unpack_from(">IIBB", head, 16)
    shape = (height, width, _CHANNELS.get(colors, 4))
    check_images(shape, np.dtype(np.uint16 if depth == 16 else np.uint8), path.stat().st_size)


def _check_palette(path: Path, header: bytes, colors: int) -> None:
    """Raise ``ValueError`` if pixels have colors that are not in the palette, which decoders make black."""
    if header[9] != _PALETTE or colors >= 2 ** header[8]:
        return
    with opened(path, PngImagePlugin.PngImageFile) as image:
        largest = int(np.asarray(image).max())
    if largest >= colors:
        raise ValueError(f"it is damaged: a pixel has color {largest}, but the palette has only {colors}, from 0")


def chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and contents of the chunks; contents of pixel chunks are not read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.png"
        >>> _ = path.write_bytes(encode(np.zeros((4, 6), np.uint8), Metadata()))
        >>> [name for name, _ in chunks(path)]
        [b'IHDR', b'IDAT', b'IEND']
    """
    with path.open("rb") as file, PngImagePlugin.ChunkStream(file) as stream:
        size = os.fstat(file.fileno()).st_size
        file.seek(_SIGNATURE)
        name = b""
        while name != b"IEND":
            name, place, length = stream.read()
            if place + length > size:
                raise ValueError(f"it is truncated: the end of its chunk {name.decode(errors='replace')} is missing")
            yield name, b"" if name == b"IDAT" else file.read(length)
            file.seek(place + length + _CHECKSUM)


def _plain(content: bytes) -> bytes:
    """Return the content without the chunks that are not needed for pixels: libpng prints their texts, if damaged."""
    parts, place = [content[:_SIGNATURE]], _SIGNATURE
    while place < len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length + _CHECKSUM
        if name in _OF_PIXELS:
            parts.append(content[place:end])
        place = len(content) if name == b"IEND" else end
    return b"".join(parts)


def encode(image: np.ndarray, metadata: Metadata) -> bytes:
    """Return the bytes of a PNG file.

    Args:
        image: Image of shape (H, W) or (H, W, C), uint8 or uint16.
        metadata: Metadata to store.

    Example:
        >>> encode(np.zeros((4, 6), np.uint8), Metadata())[1:4]
        b'PNG'
    """
    height, width = image.shape[:2]
    made = PngImagePlugin.getchunks(Image.new("L", (1, 1)), **metadata.pillow_options(width, height))
    between = io.BytesIO()
    for name, content in (*(chunk[:2] for chunk in made if chunk[0] in _MADE), *metadata.chunks):
        PngImagePlugin.putchunk(between, name, content)
    file = imagecodecs.png_encode(image)
    return b"".join((file[:_HEAD], between.getvalue(), file[_HEAD:]))
