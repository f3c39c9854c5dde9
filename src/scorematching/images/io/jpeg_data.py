"""Compressed data of a JPEG: the size of its image, and whether all of its pixels are there."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Codes of the markers that begin a frame; the first three are coded by Huffman and complete to the bit.
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_HUFFMAN = (0xC0, 0xC1, 0xC2)
_SCAN, _END = 0xDA, 0xD9
#: Marker that starts the decoder anew between pixels, and any other marker behind pixels.
_RESTART, _OTHER = re.compile(rb"(?<!\xff)\xff+[\xd0-\xd7]"), re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_PAD = b"\x55\xaa" * 8
#: Most scans of an image: each takes the time of the whole image, but may take few bytes. Encoders write about 10.
_SCANS = 100


def size_of_jpeg(data: bytes) -> tuple[int, int]:
    """Return the height and width of the largest image that the data claim to have.

    Raises:
        ValueError: There is none.

    Example:
        >>> size_of_jpeg(bytes.fromhex("ffd8ffc0000b080010001801011100"))
        (16, 24)
    """
    sizes = [
        (int.from_bytes(data[start + 5 : start + 7], "big"), int.from_bytes(data[start + 7 : start + 9], "big"))
        for code, start, _ in segments(data)
        if code in _FRAMES
    ]
    if not sizes:
        raise ValueError("it is no JPEG, or damaged: the size of its image is missing")
    return max(sizes, key=lambda size: size[0] * size[1])


def check_scans(data: bytes) -> None:
    """Raise ``ValueError`` if the image has so many scans that decoding it takes time without bound.

    Example:
        >>> check_scans(bytes.fromhex("ffd8") + 101 * bytes.fromhex("ffda0002") + bytes.fromhex("ffd9"))
        Traceback (most recent call last):
        ValueError: it has 101 scans, expected at most 100: save it as a JPEG that is not progressive
    """
    count = sum(code == _SCAN for code, _, _ in segments(data))
    if count > _SCANS:
        raise ValueError(f"it has {count} scans, expected at most {_SCANS}: save it as a JPEG that is not progressive")


def padded(data: bytes) -> bytes:
    """Return the data with more bytes where decoders expect the end of the pixels.

    If all pixels are there, the decoded image is the same: decoders skip these bytes. If some are missing, decoders
    would fill them with gray; now the image is another one. Data with arithmetic coding, whose end is not known to the
    bit, are returned as they are.

    Example:
        >>> padded(bytes.fromhex("ffd8ffda0004aaaa1234ffd9")).hex()
        'ffd8ffda0004aaaa123455aa55aa55aa55aa55aa55aa55aa55aaffd9'
    """
    found, done = bytearray(), 0
    for code, start, end in segments(data):
        if code in _FRAMES and code not in _HUFFMAN:
            return data
        if code == _SCAN:
            header = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
            pixels = data[header:end].rstrip(b"\xff")  # a marker may have more of these before it
            found += data[done:header] + _RESTART.sub(lambda marker: _PAD + marker[0], pixels) + _PAD
            done = header + len(pixels)
    return bytes(found + data[done:])


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the code, the start and the end of each part that begins with a marker; that of a scan has its pixels.

    Example:
        >>> [(hex(code), start, end) for code, start, end in segments(bytes.fromhex("ffd8ffda0004aaaa1234ffd9"))]
        [('0xda', 2, 10)]
    """
    at = 2
    while (marker := _OTHER.search(data, at)) is not None and data[marker.end() - 1] != _END:
        start, code = marker.start(), data[marker.end() - 1]
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") if code not in (0x01, 0xD8) else start + 2
        if code == _SCAN:
            behind = _OTHER.search(data, end)
            end = len(data) if behind is None else behind.start()
        at = max(end, start + 2)
        yield code, start, min(at, len(data))
