"""MRC files of electron microscopy, by mrcfile: an image, a stack or a volume."""

from __future__ import annotations

import bz2
import gzip
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from scorematching.images.io.contiguous import Contiguous
from scorematching.images.io.limits import check_bytes, check_images
from scorematching.images.io.metadata import Metadata
from scorematching.images.io.npy import stacked
from scorematching.runtime.extras import required

#: Size in bytes of the header.
_HEADER = 1024


def read(path: Path) -> np.ndarray | Contiguous:
    """Return the images, (H, W) each, as a sequence that is read when it is used; a compressed file is read at once.

    Raises:
        ValueError: Mrcfile is not installed; the file is damaged; or it takes more memory than is allowed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.mrc"
        >>> write(path, [np.zeros((4, 6), np.float32)], Metadata())
        >>> [image.shape for image in read(path)]
        [(4, 6)]
    """
    header, _ = _head(path)
    utils = required("mrcfile.utils", "formats")
    shape, dtype = utils.data_shape_from_header(header), utils.data_dtype_from_header(header)
    if min(shape) < 1:
        raise ValueError(f"its shape is {shape}, expected positive numbers")
    if _opener(path) is open:
        return Contiguous(path, _HEADER + int(header.nsymbt), math.prod(shape[:-2]), shape[-2:], dtype)
    check_images(shape, dtype, path.stat().st_size)
    with _mrcfile().open(path) as file:
        return file.data.reshape(-1, *shape[-2:])


def read_metadata(path: Path) -> Metadata:
    """Read the size of a voxel, the origin, the labels, and the extended header.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.mrc"
        >>> write(path, [np.zeros((4, 6), np.float32)], Metadata())
        >>> read_metadata(path).leading
        ()
    """
    header, extended = _head(path)
    leading = required("mrcfile.utils", "formats").data_shape_from_header(header)[:-2]
    return Metadata(header={"header": header, "extended": extended}, leading=leading)


def write(path: Path, images: Iterable[np.ndarray], metadata: Metadata) -> None:
    """Write one image, or a stack of images of one shape and type.

    Raises:
        ValueError: Mrcfile is not installed, or the images differ in shape or type.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.mrc"
        >>> write(path, [np.zeros((4, 6), np.int16)] * 3, Metadata())
        >>> len(read(path))
        3
    """
    with _mrcfile().new(path, stacked(images, metadata.leading), overwrite=True) as file:
        kept = metadata.header
        if isinstance(kept, dict):
            for name in ("cella", "cellb", "origin", "nlabl", "label", "exttyp", "ispg", "mz"):
                file.header[name] = kept["header"][name]
            file.set_extended_header(kept["extended"])


def _head(path: Path) -> tuple[Any, np.ndarray]:
    """Return the header and the extended header of a file."""
    with _opener(path)(path, "rb") as stream:
        start = stream.read(_HEADER)
    extended = int.from_bytes(start[92:96], "big" if start[212:213] == b"\x11" else "little", signed=True)
    check_bytes(extended, path.stat().st_size, "its extended header")
    with _mrcfile().open(path, header_only=True) as file:
        return file.header.copy(), file.extended_header.copy()


def _opener(path: Path) -> Any:
    """Return the function that opens a file, which may be compressed as a whole."""
    with path.open("rb") as file:
        start = file.read(212)
    if start[208:] == b"MAP ":
        return open
    return gzip.open if start[:2] == b"\x1f\x8b" else bz2.open if start[:2] == b"BZ" else open


def _mrcfile() -> Any:
    return required("mrcfile", "formats")
