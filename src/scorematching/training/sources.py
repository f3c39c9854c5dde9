"""Images of files that are decoded when they are needed, and kept up to a number of bytes."""

from __future__ import annotations

import os
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from scorematching.images.arrays import find_white, has_white
from scorematching.images.io.opened import Header, OpenFile
from scorematching.runtime.text import naming

T = TypeVar("T")

#: Maximum number of stacks that are open at the same time, and of their pages. The place of a page takes about 4 kB.
_OPEN, _PAGES = 32, 2**17
#: Size in bytes of each of the parts of a file by which it is recognized: its start, its middle and its end.
_PART = 2**14


class Recent(Generic[T]):
    """The values that were used most recently, up to a total size. Several threads may use it.

    A value that several threads need at the same time is made once. The latest value is kept whatever its size.

    Args:
        size: Maximum total size.

    Example:
        >>> squares = Recent(10)
        >>> [squares.get(n, lambda n=n: (n * n, 5)) for n in (1, 2, 3)], 1 in squares, 3 in squares
        ([1, 4, 9], False, True)
    """

    def __init__(self, size: int) -> None:
        self.size, self._used, self._lock = size, 0, threading.Lock()
        self._values: OrderedDict[Hashable, Future[T]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}  # of the values that are made

    def __contains__(self, key: Hashable) -> bool:
        return key in self._sizes

    def get(self, key: Hashable, make: Callable[[], tuple[T, int]]) -> T:
        """Return the value of a key, which is made, with its size, if it is not kept."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            else:
                own = self._values[key] = Future()
        if value is not None:
            return value.result()
        try:
            made, size = make()
        except BaseException as error:
            with self._lock:
                del self._values[key]
            own.set_exception(error)
            raise
        own.set_result(made)
        with self._lock:
            self._sizes[key] = size
            self._used += size
            self._drop(but=key)
        return made

    def _drop(self, but: Hashable) -> None:
        """Drop the values that were not used for the longest time."""
        if self._used <= self.size:
            return
        for key in [key for key in self._values if key in self._sizes and key != but]:
            if self._used <= self.size:
                return
            del self._values[key]
            self._used -= self._sizes.pop(key)


class Store:
    """Decoded images of files, and open stacks.

    Args:
        memory: Maximum size in bytes of the images that are kept. The image in use is kept whatever its size.
    """

    def __init__(self, memory: int) -> None:
        self.images: Recent[np.ndarray] = Recent(memory)
        self.files: Recent[OpenFile] = Recent(_PAGES)

    @property
    def memory(self) -> int:
        """Maximum size in bytes of the images that are kept."""
        return self.images.size

    def opened(self, path: Path) -> OpenFile:
        """Return an open file, which stays open if it was used recently."""

        def opened() -> tuple[OpenFile, int]:
            file = OpenFile(path)
            return file, max(file.header.pages, _PAGES // _OPEN)

        return self.files.get(path, opened)


@dataclass(frozen=True)
class ImageFile:
    """File of images that are decoded when they are needed.

    Attributes:
        path: The file.
        header: Shape and type of its images, and their number.
        checksum: Checksum of its size and of parts of its bytes.
        stamp: Size and time of the last change when the training started.
        store: Where its images are kept.
        data_range: Value of white in its images; ``None`` if it is not known yet.

    Example:
        >>> import tempfile
        >>> from scorematching.images import write_image
        >>> path = Path(tempfile.mkdtemp()) / "image.png"
        >>> write_image(path, np.full((4, 6), 7, np.uint8))
        >>> int(image_file(path, Store(2**20)).read(0)[0, 0])
        7
    """

    path: Path
    header: Header
    checksum: int
    stamp: tuple[int, int] = field(compare=False)
    store: Store = field(compare=False, repr=False)
    data_range: float | None = None

    @property
    def nbytes(self) -> int:
        """Size in bytes of all its images when they are decoded."""
        return self.header.pages * int(np.prod(self.header.shape)) * self.header.dtype.itemsize

    def read(self, page: int) -> np.ndarray:
        """Return an image of the file. It is decoded unless it is kept, and must not be changed.

        Raises:
            FileNotFoundError: The file has been removed.
            ValueError: It is damaged, it has changed since the training started, or a value is not finite.
        """

        def decoded() -> tuple[np.ndarray, int]:
            image = self._decoded(page)
            return image, image.nbytes

        return self.store.images.get((self.path, page), decoded)

    def _decoded(self, page: int) -> np.ndarray:
        if _stamp(self.path) != self.stamp:
            raise ValueError(f"{self.path} has changed since the training started: put it back, or train anew")
        image = self.store.opened(self.path).read(page)
        if (image.shape, image.dtype) != (self.header.shape, self.header.dtype):
            raise ValueError(
                f"{self.path}: page {page + 1} is {image.shape} {image.dtype}, the file says {self.header.shape} "
                f"{self.header.dtype}: it is damaged, or its pages differ"
            )
        if not has_white(image.dtype):
            self.white_of(image, page)
        return image

    def white_of(self, image: np.ndarray, page: int) -> float:
        """Return the value of white of an image of the file, after a check of its values."""
        with naming(self.name(page)):
            return find_white(image, self.data_range)

    def name(self, page: int) -> str:
        """Return the name of an image of the file."""
        return f"{self.path.name} page {page + 1}" if self.header.pages > 1 else self.path.name


def image_file(path: Path, store: Store) -> ImageFile:
    """Open a file, and read its header.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It can't be read as images.
    """
    header, stamp = store.opened(path).header, _stamp(path)
    return ImageFile(path, header, _checksum(path, stamp[0]), stamp, store)


def _stamp(path: Path) -> tuple[int, int]:
    """Return the size of a file in bytes, and the time of its last change."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"no such file: {path}") from None
    return found.st_size, found.st_mtime_ns


def _checksum(path: Path, size: int) -> int:
    """Return a checksum of the size and of the start, the middle and the end of a file."""
    found = zlib.crc32(str(size).encode())
    with path.open("rb") as file:
        for place in sorted({0, max(size // 2 - _PART, 0), max(size - _PART, 0)}):
            file.seek(place, os.SEEK_SET)
            found = zlib.crc32(file.read(_PART), found)
    return found
