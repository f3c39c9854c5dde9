"""How much memory a file may ask for, decided before its pixels are read; and what counts as a file at all."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np

#: Environment variable with the number of bytes that an image may take, instead of the rule of :func:`allowed`.
VARIABLE = "SCOREMATCHING_MAX_BYTES"
#: Bytes that an image of any file may take: a constant image of 16384 x 16384 pixels.
_ANY = 2**28
#: Further bytes that it may take for each byte of the file. Photographs have about 10, smooth ones 50.
_RATIO = 100
#: Bytes that an image of a large file may take. Denoising it takes 50 GB.
_MOST = 2**32
#: All images of a file may take so many times the memory of one, and so many times the bytes of the file. Deflate has
#: at most 1032.
_IMAGES, _DEFLATED = 256, 1032


def allowed(stored: int) -> int:
    """Return the number of bytes that an image may take in memory.

    It is 256 MiB and 100 bytes for each byte of the file, at most 4 GiB. The environment variable
    ``SCOREMATCHING_MAX_BYTES`` replaces it.

    Args:
        stored: Size of the file in bytes.

    Raises:
        ValueError: The variable is not a positive integer.

    Example:
        >>> allowed(333)
        268468756
    """
    told = os.environ.get(VARIABLE, "").strip()
    if not told:
        return min(_ANY + _RATIO * stored, _MOST)
    if not (told.isascii() and told.isdigit() and 0 < len(told.lstrip("0")) < 100):
        raise ValueError(f"{VARIABLE} is {told[:30]!r}, expected a positive number of bytes")
    return int(told)


def check_bytes(needed: int, stored: int, what: str) -> None:
    """Raise ``ValueError`` if a part of a file would take more memory than is allowed.

    Args:
        needed: Number of bytes.
        stored: Size of the file in bytes.
        what: The part, for the message.

    Example:
        >>> check_bytes(1000, 10, "its header")
        >>> check_bytes(10**12, 10, "its header")
        Traceback (most recent call last):
        ValueError: its header would take 1,000,000,000,000 bytes of memory, but a file of 10 bytes may take at most \
268,436,456: if you trust the file, set the environment variable SCOREMATCHING_MAX_BYTES=1000000000000
    """
    most = allowed(stored)
    if needed > most:
        raise ValueError(
            f"{what} would take {needed:,} bytes of memory, but a file of {stored:,} bytes may take at most {most:,}: "
            f"if you trust the file, set the environment variable {VARIABLE}={needed}"
        )


def check_images(shape: Sequence[int], dtype: np.dtype, stored: int, count: int = 1) -> None:
    """Raise ``ValueError`` if the images that a file claims to have would take more memory or time than is allowed.

    All images together may take 256 times the memory of one, or 1032 bytes for each byte of the file if that is more.

    Args:
        shape: Shape of an image.
        dtype: Type of its pixels.
        stored: Size of the file in bytes.
        count: Number of images, which are read one at a time.

    Example:
        >>> check_images((4, 6), np.dtype(np.uint8), 100)
    """
    needed = math.prod(map(int, shape)) * dtype.itemsize
    sides = " x ".join(map(str, shape))
    check_bytes(needed, stored, f"an image of {sides} {dtype.name}")
    if count * needed > _DEFLATED * stored:
        each = -(-count * needed // _IMAGES)
        check_bytes(each, stored, f"one in {_IMAGES} of its {count:,} images of {sides} {dtype.name}")


def check_file(path: str | Path, expected: str = "a file") -> int:
    """Return the size in bytes of a file to read.

    Args:
        path: The file.
        expected: What it should be, for the message.

    Raises:
        FileNotFoundError: It does not exist.
        ValueError: It is a folder, or a pipe, socket or device, which has no end or would be waited for.

    Example:
        >>> check_file("/dev/null")
        Traceback (most recent call last):
        ValueError: /dev/null is a device, expected a file
    """
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"no such file: {path}") from None
    if stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{path} is a folder, expected {expected}")
    if not stat.S_ISREG(found.st_mode):
        kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise ValueError(f"{path} is {kinds.get(stat.S_IFMT(found.st_mode), 'a device')}, expected {expected}")
    return found.st_size


def read_file(path: Path) -> bytes:
    """Return the content of a file that is decoded as a whole.

    Raises:
        ValueError: It takes more memory than is allowed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "data.bin"
        >>> _ = path.write_bytes(b"data")
        >>> read_file(path)
        b'data'
    """
    stored = check_file(path)
    check_bytes(stored, stored, "its content")
    return path.read_bytes()
