"""Image files that Pillow opens: how much memory they ask for, and whether they are complete."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImageMode

from scorematching.images.io.limits import check_images, read_file

_lock, _users = threading.Lock(), 0
_before: tuple[bool, int | None] = (False, None)


@contextmanager
def quiet() -> Iterator[None]:
    """Drop Pillow's own warnings in the block, such as those of damaged EXIF."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextmanager
def opened(path: Path, kind: Callable[[Any], ImageFile.ImageFile]) -> Iterator[ImageFile.ImageFile]:
    """Open a file, and check how much memory its pixels would take. They are read when they are used.

    In the block, truncated files are an error even if the program that uses this library has allowed them in Pillow.
    Pillow's own limit, of the number of pixels, does not hold.

    Args:
        path: The file.
        kind: Pillow's class of its format.

    Raises:
        ValueError: The image takes more memory than is allowed.

    Example:
        >>> import tempfile
        >>> from PIL.BmpImagePlugin import BmpImageFile
        >>> path = Path(tempfile.mkdtemp()) / "image.bmp"
        >>> Image.new("L", (6, 4)).save(path)
        >>> with opened(path, BmpImageFile) as image:
        ...     image.size
        (6, 4)
    """
    content = read_file(path)  # the file may change while it is read
    with _strict(), quiet(), kind(io.BytesIO(content)) as image:
        mode = ImageMode.getmode(image.mode)
        shape = (image.height, image.width, *([len(mode.bands)] if len(mode.bands) > 1 else []))
        check_images(shape, np.dtype(mode.typestr), len(content))
        yield image


@contextmanager
def _strict() -> Iterator[None]:
    """Set the options of Pillow while one thread or several are in the block, and then as they were."""
    global _users, _before  # noqa: PLW0603
    with _lock:
        if not _users:
            _before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
            ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, None
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = _before
