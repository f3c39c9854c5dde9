"""FITS files of astronomy, by astropy: the first image, or stack of images, of a file."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scorematching.images.io.compressed import decompressed
from scorematching.images.io.errors import one_line
from scorematching.images.io.limits import check_images
from scorematching.images.io.metadata import Metadata
from scorematching.images.io.npy import stacked
from scorematching.runtime.extras import required


class FitsImages:
    """Sequence of the images of a file, (H, W) each, in the order of the file: the first row is the bottom of the sky.

    Each is read when it is accessed.

    Args:
        path: The file.

    Attributes:
        shape: Shape of each image, (H, W).
        dtype: Type of the pixels.

    Raises:
        ValueError: Astropy is not installed; there is no image; it takes more memory than is allowed; or the file is
            truncated.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._content = path, decompressed(path)
        with _opened(path, self._content) as images:
            first, stored = images[0], path.stat().st_size
            self._leading = first.shape[:-2]
            self.shape, dtype = first.shape[-2:], np.dtype(_fits().BITPIX2DTYPE[first.header["BITPIX"]])
            check_images(self.shape, dtype, stored, math.prod(self._leading))
            tile = getattr(first, "tile_shape", None)  # of a compressed image
            if tile is not None:
                check_images(tile, dtype, stored)
            else:
                length = stored if self._content is None else len(self._content)
                found = max(length - first.fileinfo()["datLoc"], 0) // (math.prod(self.shape) * dtype.itemsize)
                if found < len(self):
                    raise ValueError(f"it is truncated: {found} of {len(self)} images are in the file")
            pixel = (*[0] * len(self._leading), slice(0, 1), slice(0, 1))
            self.dtype = first.section[pixel].dtype.newbyteorder("=")  # that of scaled values

    def __len__(self) -> int:
        return math.prod(self._leading)

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self):
            raise IndexError(index)
        with _opened(self._path, self._content) as images:
            place = tuple(int(n) for n in np.unravel_index(index, self._leading)) if self._leading else ()
            return images[0].section[(*place, ...)]


def read(path: Path) -> FitsImages:
    """Return the images as a sequence that is read when it is used.

    Raises:
        ValueError: As in :class:`FitsImages`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.fits"
        >>> write(path, [np.zeros((4, 6), np.float32)], Metadata())
        >>> [image.shape for image in read(path)]
        [(4, 6)]
    """
    return FitsImages(path)


def read_metadata(path: Path) -> Metadata:
    """Read the header of the image.

    Warns:
        UserWarning: The file has more images, which are left out.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.fits"
        >>> write(path, [np.zeros((4, 6), np.float32)] * 3, Metadata())
        >>> read_metadata(path).leading
        (3,)
    """
    with _opened(path, decompressed(path)) as images:
        found, header, leading = len(images), images[0].header.copy(strip=True), images[0].shape[:-2]
    if found > 1:
        warnings.warn(f"{path.name}: only the first of its {found} images is read", stacklevel=3)
    return Metadata(header=header, leading=leading)


def write(path: Path, images: Iterable[np.ndarray], metadata: Metadata) -> None:
    """Write one image, or a stack of images of one shape and type.

    Raises:
        ValueError: Astropy is not installed, the images differ in shape or type, or the header has control characters.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.fits"
        >>> write(path, [np.zeros((4, 6), np.uint16)] * 3, Metadata())
        >>> read(path)[0].dtype
        dtype('uint16')
    """
    header = metadata.header if isinstance(metadata.header, _fits().Header) else None
    stack = stacked(images, metadata.leading)
    summed = header is not None and not {"CHECKSUM", "DATASUM"}.isdisjoint(header)
    if header is not None and stack.dtype.kind == "f":
        header = header.copy()
        header.remove("BLANK", ignore_missing=True)  # the integer that stood for NaN
    try:
        with path.open("wb") as file:
            part = _fits().PrimaryHDU(stack, header=header)
            part.writeto(file, output_verify="silentfix+ignore", checksum=summed)
    except ValueError as error:
        raise ValueError(f"the header of the input can't be written: {one_line(error)}") from None


@contextmanager
def _opened(path: Path, content: bytes | None) -> Iterator[list[Any]]:
    """Open a file and yield its parts that have images. What astropy warns of is an error, or checked here.

    Args:
        path: The file.
        content: Its content if it is compressed as a whole. Astropy would decompress it without a limit.
    """
    with warnings.catch_warnings(), path.open("rb") if content is None else io.BytesIO(content) as stream:
        warnings.simplefilter("ignore")
        if stream.read(6) != b"SIMPLE":
            raise ValueError("it is no FITS file, or compressed by something else than gzip, bzip2 or xz")
        stream.seek(0)
        with _fits().open(stream, memmap=False) as file:
            found = [part for part in file if part.is_image and len(part.shape) >= 2 and 0 not in part.shape]
            if not found:
                raise ValueError("it has no image")
            yield found


def _fits() -> Any:
    return required("astropy.io.fits", "formats")
