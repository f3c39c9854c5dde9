"""Strips and tiles of a TIFF that are images themselves: how large they become, which only their own headers tell."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import numpy as np
import tifffile

from scorematching.images.io.jpeg_data import check_scans, padded, size_of_jpeg
from scorematching.images.io.jpeg_scans import has_all_scans
from scorematching.images.io.limits import check_images

_COMPRESSION = tifffile.COMPRESSION
_JPEG = (_COMPRESSION.OJPEG, _COMPRESSION.JPEG, _COMPRESSION.ALT_JPEG, _COMPRESSION.JPEG_LOSSY)
_JPEG_2000 = tuple(one for one in _COMPRESSION if "JP2000" in one.name or one.name.startswith("JPEG_2000"))
_JPEG_2000 += (_COMPRESSION.JPEG2000,)
_JPEG_XL = (_COMPRESSION.JPEGXL, _COMPRESSION.JPEGXL_DNG)
_WEBP = (_COMPRESSION.WEBP, _COMPRESSION.WEBP_DEPRECATED)
#: Bytes at the beginning of a strip or tile in which its size must be, but for JPEG and JPEG 2000.
_HEADER = 2**16
#: Width by height of a JPEG XL, by the code in its header.
_SHAPES = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def check_segments(page: tifffile.TiffPage) -> None:
    """Raise ``ValueError`` if a strip or tile would take more memory or time than is allowed when it is decoded."""
    parts = page.chunks if page.is_tiled else page.chunks[:0]
    stored, dtype = page.parent.filehandle.size, np.dtype(page.dtype)
    check_images(parts, dtype, stored)
    if page.compression not in (*_JPEG, *tifffile.TIFF.IMAGE_COMPRESSIONS):
        return
    if page.compression in _JPEG and page.jpegheader is not None:
        return  # parts of one JPEG, whose size is that of the page
    for data in _read(page, None if page.compression in (*_JPEG, *_JPEG_2000) else _HEADER):
        if page.compression in _JPEG:
            check_scans(data)
        height, width = size_of_segment(data, page.compression)
        check_images((height, width, page.samplesperpixel), dtype, stored)


def check_pixels(page: tifffile.TiffPage, image: np.ndarray) -> None:
    """Raise ``ValueError`` if a decoded page has a JPEG of which pixels are missing. Decoders make them gray."""
    if page.compression not in _JPEG or page.jpegheader is not None:
        return
    whole = image.reshape(page.shaped)
    for number, data in enumerate(_read(page)):
        has_all_scans(data)
        other, (_, depth, down, across, _), shape = page.decode(padded(data), number, jpegtables=page.jpegtables)
        near = whole[0, depth : depth + shape[0], down : down + shape[1], across : across + shape[2]]
        if other is None or not np.array_equal(other[tuple(map(slice, near.shape))], near):
            raise ValueError(f"it is damaged: pixels are missing in part {number + 1} of {len(page.dataoffsets)}")


def _read(page: tifffile.TiffPage, most: int | None = None) -> Iterator[bytes]:
    """Yield the compressed data of the parts of a page, or at most so many bytes of each."""
    file = page.parent.filehandle
    for place, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(place)
        yield file.read(length if most is None else min(length, most))


def size_of_segment(data: bytes, compression: int) -> tuple[int, int]:
    """Return the height and width of the image that a strip or tile claims to be.

    Raises:
        ValueError: It is damaged, or the compression does not tell.

    Example:
        >>> size_of_segment(bytes.fromhex("ffd8ffc0000b080010001801011100"), tifffile.COMPRESSION.JPEG)
        (16, 24)
    """
    if compression in _JPEG:
        return size_of_jpeg(data)
    if compression in _JPEG_2000:
        found = [struct.unpack_from(">II", data, place.end() + 4) for place in re.finditer(b"\xff\x4f\xff\x51", data)]
        return max(((height, width) for width, height in found), key=lambda size: size[0] * size[1])
    if compression in _JPEG_XL:
        return _size_of_jpeg_xl(data)
    if compression in _WEBP:
        return _size_of_webp(data)
    if compression == _COMPRESSION.PNG:
        width, height = struct.unpack_from(">II", data, 16)
        return height, width
    if compression == _COMPRESSION.LERC and data[:6] == b"Lerc2 ":
        height, width = struct.unpack_from("<II", data, 14 if struct.unpack_from("<I", data, 6)[0] >= 3 else 10)
        return height, width
    raise ValueError(f"its compression, {_COMPRESSION(compression).name}, is not supported: save it with another one")


def _size_of_webp(data: bytes) -> tuple[int, int]:
    """Return the height and width of a WebP of any of its three kinds."""
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[27:30], "little"), 1 + int.from_bytes(data[24:27], "little")
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return height & 0x3FFF, width & 0x3FFF


def _size_of_jpeg_xl(data: bytes) -> tuple[int, int]:
    """Return the height and width of a JPEG XL, whose numbers are stored bit by bit."""
    start = data.find(b"\xff\x0a") + 2
    if start < 2:
        raise ValueError("it is damaged: it has no JPEG XL")
    bits, at = int.from_bytes(data[start : start + 12], "little"), 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return (bits >> (at - count)) & ((1 << count) - 1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else 1 + take((9, 13, 18, 30)[take(2)])

    small = take(1)
    height, shape = side(), take(3)
    if shape == 0:
        return height, side()
    across, down = _SHAPES[shape - 1]
    return height, height * across // down
