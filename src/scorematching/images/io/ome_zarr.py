"""OME-Zarr images and plain Zarr arrays, read and written region by region."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scorematching.images.axes import check_axes, images_last, letters_of
from scorematching.images.io.errors import one_line
from scorematching.images.io.formats import FORMATS
from scorematching.images.io.stores import check_array, check_store
from scorematching.images.sample import sample_places
from scorematching.runtime.extras import required
from scorematching.runtime.text import naming

#: Extra that installs zarr.
EXTRA = "large"
#: Suffix of a folder with a Zarr array or group.
SUFFIX = ".zarr"
#: Side in pixels of the parts of an image that are stored as one.
CHUNK = 1024
#: Letters of the axes of an array without names, by their number.
_UNNAMED = {2: "YX", 3: "TYX", 4: "TCYX", 5: "TCZYX"}
#: Letters of the axes of an image.
_OF_IMAGE = "YXS"
#: Index of a region: a slice for each axis.
Region = tuple[slice, ...]


def is_zarr(path: str | Path) -> bool:
    """Return whether a path is that of a Zarr array or group, or of a part of it, by its name.

    Example:
        >>> is_zarr("movie.ome.zarr"), is_zarr("plate.zarr/A/1/0"), is_zarr("image.tif")
        (True, True, False)
    """
    path = Path(path)
    return path.suffix.lower() not in FORMATS and any(part.lower().endswith(SUFFIX) for part in path.parts)


@dataclass(frozen=True)
class StoredArray:
    """Array on disk. It can be sent to other processes.

    Attributes:
        path: Folder of the Zarr group or array.
        levels: Paths of the resolutions in the group, the finest first; empty for an array without group.
        axes: Letters of the axes, one of ``"TZCYXS"`` each.
        shape: Size of each axis.
        dtype: Name of the type of the values.

    Example:
        >>> import tempfile, zarr
        >>> folder = Path(tempfile.mkdtemp()) / "image.zarr"
        >>> zarr.save_array(folder, np.ones((3, 40, 60), np.uint8))
        >>> stored = open_array(folder)
        >>> stored.axes, stored.images, stored.image_shape, stored.read((0,), slice(5), slice(7)).shape
        ('TYX', [(0,), (1,), (2,)], (40, 60), (5, 7))
    """

    path: str
    levels: tuple[str, ...]
    axes: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def leading(self) -> str:
        """Letters of the axes that count the images."""
        return "".join(letter for letter in self.axes if letter not in _OF_IMAGE)

    @property
    def images(self) -> list[tuple[int, ...]]:
        """Places of the images along these axes."""
        return list(np.ndindex(self.counts))

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of images along each of these axes."""
        return self._sizes(self.leading)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of an image, (H, W) or (H, W, S)."""
        return self._sizes(_OF_IMAGE)

    @property
    def state(self) -> list[int]:
        """Number and size in bytes of its files, and the time of the last change: they tell whether it is the same."""
        path = Path(self.path)
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        found = [file.stat() for file in files]
        return [len(found), sum(one.st_size for one in found), max(one.st_mtime_ns for one in found)]

    def place_of(self, other: StoredArray, image: tuple[int, ...]) -> tuple[int, ...]:
        """Return the place, here, of an image of an array with the same axes in another order."""
        return tuple(image[other.leading.index(letter)] for letter in self.leading)

    def read(self, image: tuple[int, ...], rows: slice, columns: slice) -> np.ndarray:
        """Read a part of an image, (h, w) or (h, w, S), at the finest resolution.

        Raises:
            ValueError: The file is damaged.
        """
        try:
            part = self._finest("r")[self._region(image, rows, columns)]
        except MemoryError:
            raise
        except Exception as error:  # decoders raise many types of errors for damaged files
            raise ValueError(f"{self.path}: pixels can't be read: {one_line(error)}") from None
        return np.ascontiguousarray(np.asarray(part).transpose(images_last(self._order)))

    def write(self, image: tuple[int, ...], rows: slice, columns: slice, values: np.ndarray) -> None:
        """Write a part of an image, (h, w) or (h, w, S), at the finest resolution."""
        region = self._region(image, rows, columns)
        self._finest("r+")[region] = values.transpose(np.argsort(images_last(self._order)))

    def sample(self, image: tuple[int, ...]) -> np.ndarray:
        """Read the sample of an image, as :func:`scorematching.images.sampled`."""
        rows, columns = (sample_places(size) for size in self.image_shape[:2])
        return np.concatenate([np.concatenate([self.read(image, i, j) for j in columns], 1) for i in rows], 0)

    def _finest(self, mode: str) -> Any:
        return open_level(self.path, self.levels[0] if self.levels else "", mode)

    @property
    def _order(self) -> str:
        """Letters of the axes of an image, in their order."""
        return "".join(letter for letter in self.axes if letter in _OF_IMAGE)

    def _sizes(self, letters: str) -> tuple[int, ...]:
        return tuple(self.shape[self.axes.index(letter)] for letter in letters if letter in self.axes)

    def _region(self, image: tuple[int, ...], rows: slice, columns: slice) -> tuple[int | slice, ...]:
        places = dict(zip(self.leading, image, strict=True)) | {"Y": rows, "X": columns, "S": slice(None)}
        return tuple(places[letter] for letter in self.axes)


def open_level(path: str, level: str, mode: str) -> Any:
    """Open a resolution of a group, or an array without group."""
    zarr = required("zarr", EXTRA)
    from scorematching.images.io.chunks import bounded

    array = zarr.open_array(path, path=level, mode=mode) if level else zarr.open_array(path, mode=mode)
    return bounded(array) if mode == "r" else array


def open_array(path: str | Path, axes: str | None = None) -> StoredArray:
    """Open an OME-Zarr image of version 0.4 or 0.5, or a Zarr array.

    Args:
        path: Its folder.
        axes: Letters of the axes, if the metadata do not name them or are wrong.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It is not an image; its axes have other names; ``axes`` does not fit; or zarr is not installed.
    """
    zarr = required("zarr", EXTRA)
    from scorematching.images.io.chunks import bounded

    if not Path(path).is_dir():
        raise FileNotFoundError(f"no such folder: {path}")
    stored = check_store(path)
    try:
        node, levels, names = _described(path, zarr.open(path, mode="r"))
        found = axes or letters_of(names)
    except Exception as error:  # damaged metadata raise many types of errors
        said = one_line(error)
        raise ValueError(said if str(path) in said else f"{path} can't be read as Zarr: {said}") from None
    try:
        check_axes(found, node.shape)
    except ValueError as error:
        raise ValueError(f"{path}: {error}: pass --axes") from None
    with naming(path):
        check_array(bounded(node), found, stored)
    return StoredArray(str(Path(path).absolute()), levels, found, tuple(node.shape), str(node.dtype))


def _described(path: str | Path, node: Any) -> tuple[Any, tuple[str, ...], Any]:
    """Return the finest array of a Zarr array or group, the paths of its resolutions, and the names of its axes."""
    if hasattr(node, "shape"):
        named = getattr(node.metadata, "dimension_names", None) or node.attrs.get("_ARRAY_DIMENSIONS")  # of xarray
        return node, (), list(named) if named and all(named) else _UNNAMED.get(node.ndim, "")
    image = _multiscales(path, node)[0]
    levels = tuple(one["path"] for one in image["datasets"])
    names = [one["name"] if isinstance(one, dict) else one for one in image.get("axes", [])]
    arrays = [node[level] for level in levels]
    if any(0 in array.shape for array in arrays):
        raise TypeError("an array has no pixels")
    return arrays[0], levels, names


def _multiscales(path: str | Path, group: Any) -> list[dict[str, Any]]:
    """Return the images of a group, as its metadata describe them."""
    found = group.attrs.get("ome", group.attrs).get("multiscales")
    if found and len(found) > 1:
        paths = ", ".join(str(one["datasets"][0]["path"]) for one in found)
        raise ValueError(f"{path} has {len(found)} images: name one of their arrays, {paths}")
    if not found:
        inside = ", ".join(sorted(group.keys())[:5]) or "nothing"
        raise ValueError(f"{path} is no OME-Zarr image; it has {inside} in it: name one of them, as in {path}/0")
    return found


def create_like(path: str | Path, source: StoredArray) -> StoredArray:
    """Create an array, without values, of the axes, type, resolutions and metadata of another.

    Args:
        path: Folder to create.
        source: Array to copy all but the values from.

    Raises:
        FileExistsError: There is a folder already.
    """
    zarr = required("zarr", EXTRA)
    node = zarr.open(source.path, mode="r")
    arrays = [node[level] for level in source.levels] or [node]
    if source.levels:
        group = zarr.create_group(path, zarr_format=node.metadata.zarr_format, attributes=dict(node.attrs))
    for number, array in enumerate(arrays):
        options: dict[str, Any] = {
            "shape": array.shape,
            "dtype": array.dtype,
            "chunks": chunks_of(source.axes, array.shape),
            "fill_value": array.fill_value,
            "attributes": dict(array.attrs),
        }
        if array.metadata.zarr_format == 2:
            options["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
        else:
            options["dimension_names"] = array.metadata.dimension_names
        if source.levels:
            group.create_array(source.levels[number], **options)
        else:
            zarr.create_array(path, zarr_format=array.metadata.zarr_format, **options)
    return StoredArray(str(path), source.levels, source.axes, source.shape, source.dtype)


def create(path: str | Path, source: StoredArray, sizes: dict[str, tuple[float, str]]) -> StoredArray:
    """Create an OME-Zarr image of version 0.5, without values, for an array of another format.

    Its axes are in the order of OME-Zarr, T, C, Z, Y, X; colors are channels. Each coarser resolution has half the rows
    and columns, down to 1024.

    Args:
        path: Folder to create.
        source: Array to copy axes, shape and type from.
        sizes: Size of a pixel along some axes, and its unit.

    Raises:
        ValueError: It has channels and colors; or ome-zarr is not installed.
    """
    zarr, writer = required("zarr", EXTRA), required("ome_zarr.writer", EXTRA)
    if {"C", "S"} <= set(source.axes):
        raise ValueError(f"{source.path}: OME-Zarr has one axis for channels and colors, got {source.axes}")
    axes = "".join(letter for letter in "TCSZYX" if letter in source.axes)
    shape = tuple(source.shape[source.axes.index(letter)] for letter in axes)
    group, shapes = zarr.create_group(path, zarr_format=3), [shape]
    while max(shapes[-1][-2:]) > CHUNK:
        shapes.append((*shape[:-2], *(-(-n // 2) for n in shapes[-1][-2:])))
    names = [{"S": "C"}.get(letter, letter).lower() for letter in axes]
    datasets = []
    for number, one in enumerate(shapes):
        group.create_array(
            str(number), shape=one, dtype=source.dtype, chunks=chunks_of(axes, one), dimension_names=names
        )
        factors = [2.0**number if letter in "YX" else 1.0 for letter in axes]
        scale = [factor * sizes.get(letter, (1.0, ""))[0] for factor, letter in zip(factors, axes, strict=True)]
        datasets.append({"path": str(number), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    units = {letter.lower(): unit for letter, (_, unit) in sizes.items() if unit and letter in axes}
    writer.write_multiscales_metadata(group, datasets, axes=names, axes_units=units, name=Path(source.path).stem)
    return StoredArray(str(path), tuple(str(k) for k in range(len(shapes))), axes, shape, source.dtype)


def chunks_of(axes: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of the parts of an array: one image or tile, with all samples of color.

    Example:
        >>> chunks_of("TYX", (9, 500, 3000))
        (1, 500, 1024)
    """
    most = {"Y": CHUNK, "X": CHUNK, "S": 4}
    return tuple(min(size, most.get(letter, 1)) for letter, size in zip(axes, shape, strict=True))
