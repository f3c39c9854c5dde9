"""Files that are compressed as a whole, by gzip, bzip2 or xz: decompressed up to the memory that is allowed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scorematching.images.io.limits import VARIABLE, allowed, check_file

#: Functions that open a compressed file, by its first bytes.
_OPENERS: dict[bytes, Callable[[Path], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
#: Number of bytes that are decompressed at once.
_BLOCK = 2**20


def decompressed(path: Path) -> bytes | None:
    """Return the content of a compressed file, or None if the file is not compressed.

    Raises:
        ValueError: The content takes more memory than is allowed. It is not decompressed further than that.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.fits"
        >>> _ = path.write_bytes(gzip.compress(b"SIMPLE"))
        >>> decompressed(path)
        b'SIMPLE'
    """
    stored = check_file(path)
    with path.open("rb") as file:
        start = file.read(max(map(len, _OPENERS)))
    opener = next((one for magic, one in _OPENERS.items() if start.startswith(magic)), None)
    if opener is None:
        return None
    found, most = io.BytesIO(), allowed(stored)
    with opener(path) as stream:
        while block := stream.read(_BLOCK):
            found.write(block)
            if found.tell() > most:
                raise ValueError(
                    f"its decompressed content takes more than {most:,} bytes of memory, the most that a file of "
                    f"{stored:,} bytes may take: if you trust the file, set the environment variable {VARIABLE} to a "
                    "larger number"
                )
    return found.getvalue()
