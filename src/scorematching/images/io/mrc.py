"""MRC files of electron microscopy, by mrcfile: an image, a stack or a volume."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from scorematching.images.io.metadata import Metadata
from scorematching.images.io.npy import stacked
from scorematching.runtime.extras import required


def read(path: Path) -> np.ndarray:
    """Read the images, shape (N, H, W).

    Raises:
        ValueError: Mrcfile is not installed, or the file is damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.mrc"
        >>> write(path, [np.zeros((4, 6), np.float32)], Metadata())
        >>> read(path).shape
        (1, 4, 6)
    """
    with _mrcfile().open(path) as file:
        data = file.data
    return data.reshape(-1, *data.shape[-2:])


def read_metadata(path: Path) -> Metadata:
    """Read the size of a voxel, the origin, the labels, and the extended header.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.mrc"
        >>> write(path, [np.zeros((4, 6), np.float32)], Metadata())
        >>> read_metadata(path).leading
        ()
    """
    with _mrcfile().open(path) as file:
        header = {"header": file.header.copy(), "extended": file.extended_header.copy()}
        return Metadata(header=header, leading=file.data.shape[:-2])


def write(path: Path, images: Iterable[np.ndarray], metadata: Metadata) -> None:
    """Write one image, or a stack of images of one shape and type.

    Raises:
        ValueError: Mrcfile is not installed, or the images differ in shape or type.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.mrc"
        >>> write(path, [np.zeros((4, 6), np.int16)] * 3, Metadata())
        >>> read(path).shape
        (3, 4, 6)
    """
    with _mrcfile().new(path, stacked(images, metadata.leading), overwrite=True) as file:
        kept = metadata.header
        if isinstance(kept, dict):
            for name in ("cella", "cellb", "origin", "nlabl", "label", "exttyp", "ispg", "mz"):
                file.header[name] = kept["header"][name]
            file.set_extended_header(kept["extended"])


def _mrcfile() -> Any:
    return required("mrcfile", "formats")
