"""MRC files of electron microscopy, by mrcfile: an image, a stack or a volume."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from scorematching.images.io.compressed import decompressed
from scorematching.images.io.contiguous import Contiguous
from scorematching.images.io.limits import check_bytes
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
    content = _content(path)
    header, _ = _head(path, content)
    utils = required("mrcfile.utils", "formats")
    shape, dtype = utils.data_shape_from_header(header), utils.data_dtype_from_header(header)
    if min(shape) < 1:
        raise ValueError(f"its shape is {shape}, expected positive numbers")
    start, count = _HEADER + int(header.nsymbt), math.prod(shape[:-2])
    if content is None:
        return Contiguous(path, start, count, shape[-2:], dtype)
    found = max(len(content) - start, 0) // (math.prod(shape[-2:]) * dtype.itemsize)
    if found < count:
        raise ValueError(f"it is truncated: {found} of {count} images are in the file")
    return np.frombuffer(content, dtype, math.prod(shape), start).reshape(-1, *shape[-2:])


def read_metadata(path: Path) -> Metadata:
    """Read the size of a voxel, the origin, the labels, and the extended header.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.mrc"
        >>> write(path, [np.zeros((4, 6), np.float32)], Metadata())
        >>> read_metadata(path).leading
        ()
    """
    header, extended = _head(path, _content(path))
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


def _head(path: Path, content: bytes | None) -> tuple[Any, np.ndarray]:
    """Return the header and the extended header of a file, whose content is given if the file is compressed."""
    with path.open("rb") if content is None else io.BytesIO(content) as stream:
        start = stream.read(_HEADER)
        extended = int.from_bytes(start[92:96], "big" if start[212:213] == b"\x11" else "little", signed=True)
        check_bytes(extended, path.stat().st_size, "its extended header")
        stream.seek(0)
        # The stream is closed before mrcfile's object, which otherwise would write to it.
        file = _mrcfile().mrcinterpreter.MrcInterpreter(stream, header_only=True)
        return file.header.copy(), file.extended_header.copy()


def _content(path: Path) -> bytes | None:
    """Return the content of a file that is compressed, or None. A size that looks like compression is a plain file."""
    with path.open("rb") as file:
        return None if file.read(212)[208:] == b"MAP " else decompressed(path)


def _mrcfile() -> Any:
    return required("mrcfile", "formats")
