"""Scans of a JPEG: whether all of their parts are there, which decoders do not check."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scorematching.images.io.jpeg_data import segments

#: Codes of the frames whose blocks have 8 x 8 pixels; the last two of them with arithmetic coding.
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1, 0xC9), (0xC2, 0xCA)
_SCAN, _INTERVAL = 0xDA, 0xDD
_RESTART = re.compile(rb"(?<!\xff)\xff+([\xd0-\xd7])")
_BLOCK, _COEFFICIENTS = 8, 64


@dataclass(frozen=True)
class _Frame:
    """Size of an image, whether it is progressive, and the sampling (across, down) of its components by their id."""

    height: int
    width: int
    progressive: bool
    sampling: dict[int, tuple[int, int]]

    def units(self, found: bytes) -> int:
        """Return the number of units, each of one or more blocks, in a scan of the components with these ids."""
        across, down = (max(one[axis] for one in self.sampling.values()) for axis in (0, 1))
        if len(found) > 1:
            return -(-self.width // (_BLOCK * across)) * -(-self.height // (_BLOCK * down))
        own = self.sampling[found[0]]
        width, height = -(-self.width * own[0] // across), -(-self.height * own[1] // down)
        return -(-width // _BLOCK) * -(-height // _BLOCK)


def has_all_scans(data: bytes) -> bool:
    """Return whether a JPEG has the coefficients of all details; a progressive one may end before them.

    Raises:
        ValueError: A color, or a part between restart markers, is missing.

    Example:
        >>> has_all_scans(bytes.fromhex("ffd8ffc0000b080010001801011100ffda0008010100003f0012ffd9"))
        True
    """
    frame, interval = None, 0
    bits: dict[int, list[int | None]] = {}  # that are missing at the end of the coefficients of each component
    for code, start, end in segments(data):
        content = data[start + 4 : start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")]
        if code in (*_SEQUENTIAL, *_PROGRESSIVE):
            frame = _frame(content, code in _PROGRESSIVE)
            bits = {one: [None] * _COEFFICIENTS for one in frame.sampling}
        elif code == _INTERVAL:
            interval = int.from_bytes(content[:2], "big")
        elif code == _SCAN and frame is not None and len(content) == 4 + 2 * content[0]:
            found = content[1 : 1 + 2 * content[0] : 2]
            first, last, (before, after) = *content[-3:-1], divmod(content[-1], 16)
            if interval and set(found) <= set(bits):
                _check_restarts(data[start + 4 + len(content) : end], -(-frame.units(found) // interval) - 1)
            for one in set(found) & set(bits):
                have = bits[one][first : last + 1]
                bits[one][first : last + 1] = [after if before in (0, bit) else bit for bit in have]
    if any(one[0] is None for one in bits.values()):
        raise ValueError("it is damaged: the pixels of a color are missing")
    return frame is None or not frame.progressive or not any(any(bit != 0 for bit in one) for one in bits.values())


def _frame(content: bytes, progressive: bool) -> _Frame:
    parts = [content[at : at + 3] for at in range(6, 6 + 3 * content[5], 3)]
    sampling = {part[0]: (part[1] >> 4, part[1] & 15) for part in parts}
    return _Frame(int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big"), progressive, sampling)


def _check_restarts(pixels: bytes, expected: int) -> None:
    """Raise ``ValueError`` unless the restart markers in a scan are complete. One more may be at its end."""
    found = [marker[0] - 0xD0 for marker in _RESTART.findall(pixels)]
    if len(found) not in (expected, expected + 1) or any(one != number % 8 for number, one in enumerate(found)):
        raise ValueError(f"it is damaged: pixels are missing between its {expected} restart markers")
