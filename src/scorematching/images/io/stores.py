"""Folders of Zarr arrays: whether they have files only, and how much memory their chunks ask for."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from scorematching.images.io.limits import check_bytes, check_file, check_images

#: Names of chunks.
_CHUNK = re.compile(r"(c\.)?\d+(\.\d+)*")
#: Bytes of memory for an entry in the list of the images or tiles of an array, and pixels of a tile.
_ENTRY, _TILE = 512, 1024**2


def check_store(folder: str | Path) -> int:
    """Return the size in bytes of all files of a folder.

    Raises:
        FileNotFoundError: Something in it is a link that leads nowhere; zarr would read it as a missing chunk.
        ValueError: Something in it is a pipe, socket, device, or a link to a folder; or a chunk is empty, which zarr
            may read as a missing chunk, too.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "zarr.json").write_text("{}")
        >>> check_store(folder)
        2
    """
    size = 0
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent, name) for name in folders):
            if path.is_symlink():
                raise ValueError(f"{path} is a link to a folder, expected a folder: copy it")
        for path in (Path(parent, name) for name in names):
            found = check_file(path)
            if not found and _CHUNK.fullmatch(path.name):
                raise ValueError(f"{path} is empty, expected pixels: copy the array again")
            size += found
    return size


def check_array(array: Any, axes: str, stored: int) -> None:
    """Raise ``ValueError`` if the chunks of a Zarr array, or their number, take more memory than is allowed.

    Args:
        array: Array of zarr.
        axes: Letters of its axes.
        stored: Size in bytes of all its files.
    """
    check_images(array.chunks, np.dtype(array.dtype), stored)
    images = math.prod(size for letter, size in zip(axes, array.shape, strict=True) if letter not in "YXS")
    count = max(images, math.prod(array.shape) // _TILE)
    check_bytes(_ENTRY * count, stored, f"the list of {count:,} images or tiles of {' x '.join(map(str, array.shape))}")
