"""Images that a file stores one after another, without compression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scorematching.images.io.limits import check_images


@dataclass(frozen=True)
class Contiguous:
    """Sequence of images, each read from the file when it is accessed.

    They are copies, and no memory map: they stay the same if the file changes, and a file that becomes shorter is an
    error.

    Attributes:
        path: The file.
        offset: Position of the first image in bytes.
        count: Number of images.
        shape: Shape of an image.
        dtype: Type of its pixels.

    Raises:
        ValueError: The file is too short; or an image takes more memory than is allowed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pixels.bin"
        >>> _ = path.write_bytes(bytes(range(48)))
        >>> int(Contiguous(path, 0, 2, (4, 6), np.dtype(np.uint8))[1].min())
        24
    """

    path: Path
    offset: int
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype

    def __post_init__(self) -> None:
        stored = self.path.stat().st_size
        check_images(self.shape, self.dtype, stored, self.count)
        found = max(stored - self.offset, 0) // max(self._bytes, 1)
        if found < self.count:
            raise ValueError(f"it is truncated: {found} of {self.count} images are in the file")

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < self.count:
            raise IndexError(index)
        with self.path.open("rb") as file:
            file.seek(self.offset + index * self._bytes)
            values = np.fromfile(file, self.dtype, math.prod(self.shape))
        if values.size < math.prod(self.shape):
            raise ValueError(f"it became shorter while it was read: image {index + 1} of {self.count} is not complete")
        return values.reshape(self.shape)

    @property
    def _bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize
