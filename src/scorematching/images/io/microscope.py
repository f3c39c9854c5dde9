"""Files of microscopes, CZI, ND2 and LIF, read region by region with bioio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from scorematching.images.axes import check_axes
from scorematching.images.io.errors import one_line
from scorematching.images.io.limits import check_file, check_images
from scorematching.images.io.ome_zarr import StoredArray
from scorematching.runtime.extras import required

#: Extra that installs bioio and its readers.
_EXTRA = "microscopy"
#: Modules of the readers, by the suffix of the format in lower case.
_READERS = {".czi": "bioio_czi", ".nd2": "bioio_nd2", ".lif": "bioio_lif"}
#: Suffixes of the formats.
MICROSCOPE_SUFFIXES = tuple(_READERS)


@dataclass(frozen=True)
class MicroscopeArray(StoredArray):
    """Scene of a file of a microscope. It is only read.

    Attributes:
        scene: Name of the scene.
    """

    scene: str

    def _finest(self, mode: str) -> Any:
        if mode != "r":
            raise ValueError(f"{self.path} is only read")
        return _opened(self.path, self.scene, Path(self.path).stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _opened(path: str, scene: str, changed: int) -> Any:
    image = _image(path)
    image.set_scene(scene)
    return image.get_image_dask_data(image.dims.order)


def _image(path: str | Path) -> Any:
    """Open a file with the reader of its format."""
    reader = required(_READERS[Path(path).suffix.lower()], _EXTRA).Reader
    return required("bioio", _EXTRA).BioImage(path, reader=reader)


def open_microscope_file(path: str | Path, axes: str | None = None, scene: str | None = None) -> MicroscopeArray:
    """Open a scene of a file of a microscope.

    Args:
        path: The file.
        axes: Letters of the axes, if the file names them wrongly: such as TCYZX for a scan of X and Z.
        scene: Name of the scene. It is required for a file of several.

    Raises:
        ValueError: The file is damaged, or an image takes more memory than is allowed; its reader is not installed;
            there are several scenes and none is named, or there is no such scene; or the axes do not fit.
    """
    stored = check_file(path)
    try:
        image = _image(path)
        scenes = [str(name) for name in image.scenes]
        if scene in scenes or (scene is None and len(scenes) == 1):
            image.set_scene(scene or scenes[0])
            plane = [size for letter, size in zip(image.dims.order, image.shape, strict=True) if letter in "YXS"]
            check_images(plane, np.dtype(image.dtype), stored, math.prod(image.shape) // math.prod(plane))
            np.asarray(image.get_image_dask_data(image.dims.order)[(0,) * len(image.shape)])
    except Exception as error:  # readers raise many types of errors for damaged files
        raise ValueError(f"{path} can't be read: {one_line(error)}") from None
    if scene not in scenes and (scene is not None or len(scenes) > 1):
        raise ValueError(f"{path} has the scenes {', '.join(scenes)}: pass one of them as --scene")
    try:
        found = check_axes(axes or image.dims.order, image.shape)
    except ValueError as error:
        raise ValueError(f"{path}: {error}: pass --axes") from None
    return MicroscopeArray(
        str(Path(path).absolute()), (), found, tuple(image.shape), np.dtype(image.dtype).name, scene or scenes[0]
    )


def sizes_of_scene(array: MicroscopeArray) -> dict[str, tuple[float, str]]:
    """Return the size of a pixel, in micrometers, along the axes for which the file tells it."""
    image = _image(array.path)
    image.set_scene(array.scene)
    told = image.physical_pixel_sizes
    return {letter: (float(size), "micrometer") for letter in "ZYX" if (size := getattr(told, letter))}
