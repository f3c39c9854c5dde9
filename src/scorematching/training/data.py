"""Training data: images from arrays or files, and the held-out part of them."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from scorematching.images import find_images, find_white, to_planes
from scorematching.images.arrays import has_white
from scorematching.images.axes import check_axes, images_last, white_of_array
from scorematching.images.io.sequence import lines_of_pages
from scorematching.images.neighbors import find_neighbors, is_blank, lines
from scorematching.runtime.arguments import shown
from scorematching.runtime.text import naming
from scorematching.training.planes import ImagePlanes, Neighbor, Plane
from scorematching.training.sources import ImageFile, Store, image_file

ImageSource = np.ndarray | str | Path

#: Number of columns that are too few for an image.
_SMALL = 4


def _check_kind(item: object) -> None:
    """Raise ``TypeError`` or ``ValueError`` if an image is a tensor, or looks like vectors."""
    vectors = "for vectors, one per row, use scorematching.EnergyModel().fit(x)"
    if isinstance(item, Tensor):
        raise TypeError(f"images must be arrays of NumPy or files, got a tensor: pass x.numpy() for images; {vectors}")
    if not isinstance(item, Iterable | Path):
        raise TypeError(f"images must be arrays of NumPy or files, got {shown(item)}")
    if isinstance(item, np.ndarray) and item.ndim == 2 and item.shape[1] < _SMALL <= item.shape[0]:
        raise ValueError(f"an array of {item.shape[0]} x {item.shape[1]} is too small for an image; {vectors}")


def listed(images: Iterable[ImageSource] | ImageSource) -> list[ImageSource]:
    """Return images as a list, also a single one.

    Raises:
        TypeError: They are neither an image nor several.

    Example:
        >>> listed("scans")
        ['scans']
    """
    if isinstance(images, np.ndarray | str | Path):
        return [images]
    _check_kind(images)
    if not isinstance(images, Iterable):
        raise TypeError(f"images must be arrays, files or folders, got {type(images).__name__}")
    return list(images)


def open_images(
    images: Iterable[ImageSource] | ImageSource,
    data_range: float | None = None,
    colors: int = 1,
    axes: str | None = None,
    neighbors: int = 0,
    store: Store | None = None,
) -> list[list[Plane]]:
    """Open the planes of all images. Each channel is a plane, or red, green and blue together are one plane.

    Of files, only the headers are read. Their images are decoded when they are needed, and kept in a store. All images
    are read at once if their type does not tell the value of white, and it is not given; and with neighbors, to find
    blank images. The pages of a stack are separate images with the same value of white.

    Args:
        images: Arrays, files, folders of files; or one of them. Arrays are as in
            :func:`scorematching.images.to_planes`.
        data_range: Value of white in all images. By default that of their types.
        colors: Number of channels of a plane: 1, or 3 for red, green and blue together.
        axes: Letters of the axes of the arrays, if they are stacks (:func:`scorematching.images.axes.check_axes`).
        neighbors: Number of neighbors on each side that belong to an image: pages of a file, images of a stack, or
            arrays of a list. Blank images have none, and are left out.
        store: Store of the images of files. By default a new one that keeps 2 GiB.

    Returns:
        A list of planes for each image.

    Raises:
        FileNotFoundError: A file or folder does not exist, or there is no image.
        TypeError: The type of an array is not supported.
        ValueError: A file can't be read, an array has a wrong shape, an image lacks colors, or the images differ in
            their value of white; ``axes`` does not fit; or there are too few neighbors.

    Warns:
        UserWarning: Files that do not fit into the store must be read to find the value of white.
    """
    found: list[list[Plane]] = []
    sequences: list[list[int]] = []
    arrays: list[int] = []
    for item in _opened(images, data_range, Store(2 * 2**30) if store is None else store):
        if isinstance(item, np.ndarray):
            stack, order = _stack(item, axes)
            white = data_range if axes is None else white_of_array(item, axes, data_range)
            arrays += range(len(found), len(found) + len(stack)) if axes is None else []
            sequences += [[len(found) + number for number in line] for line in order]
            found += [_planes_of_array(one, f"array {len(found) + n}", white, colors) for n, one in enumerate(stack)]
        else:
            sequences += [[len(found) + n for n in line] for line in lines_of_pages(item.path)] if neighbors else []
            found += _planes_of_file(item, colors)
    if not found:
        raise FileNotFoundError("no image is given: pass arrays, files or folders")
    low, high = (choose((planes[0] for planes in found), key=lambda plane: plane.data_range) for choose in (min, max))
    if low.data_range != high.data_range:
        raise ValueError(
            f"the images differ in their value of white: {low.data_range:g} in {low.name}, {high.data_range:g} in "
            f"{high.name}; pass one value for all (data_range, --white)"
        )
    return _with_neighbors(found, [*sequences, *([arrays] if arrays else [])], neighbors) if neighbors else found


def _opened(
    images: Iterable[ImageSource] | ImageSource, data_range: float | None, store: Store
) -> list[np.ndarray | ImageFile]:
    """Return arrays and open files. Files are read for an unknown value of white, with a warning if they are many."""
    found: list[np.ndarray | ImageFile] = []
    _check_kind(images)
    for item in listed(images):
        _check_kind(item)
        if isinstance(item, np.ndarray):
            found.append(item)
        else:
            found += [replace(image_file(path, store), data_range=data_range) for path in find_images([item])]
    if data_range is not None:
        return found
    unknown = [one for one in found if isinstance(one, ImageFile) and not has_white(one.header.dtype)]
    if (size := sum(one.nbytes for one in unknown)) > store.memory:
        warnings.warn(
            f"{size / 2**30:.3g} GiB of images are read to find the value of white: pass it (data_range, --white), and "
            "the training starts at once",
            stacklevel=4,
        )
    return [replace(one, data_range=_white_of(one)) if isinstance(one, ImageFile) else one for one in found]


def _white_of(file: ImageFile) -> float:
    """Return the value of white of a file: that of its type, or the largest of its images."""
    if has_white(file.header.dtype):
        return float(np.iinfo(file.header.dtype).max)
    return max(file.white_of(file.read(page), page) for page in range(file.header.pages))


def _stack(array: np.ndarray, axes: str | None) -> tuple[list[np.ndarray], list[list[int]]]:
    """Return the images of an array with axes, and the numbers of those that follow one another."""
    if axes is None:
        return [array], []
    moved = array.transpose(images_last(check_axes(axes, array.shape)))
    letters = "".join(letter for letter in axes if letter not in "YXS")
    sizes = moved.shape[: len(letters)]
    return list(moved.reshape(-1, *moved.shape[len(letters) :])), lines(sizes, letters)


def _with_neighbors(images: ImagePlanes, sequences: Sequence[Sequence[int]], count: int) -> list[list[Plane]]:
    """Return the planes of the images that have neighbors, with them."""
    blank = [is_blank(planes[0].image()) for planes in images]
    found: dict[int, list[int]] = {}
    for line in sequences:
        with naming(images[line[0]][0].name):
            found |= find_neighbors(line, blank, count)
    result = []
    for number, near in sorted(found.items()):
        image = images[number][0]
        for one in (images[n][0] for n in near):
            if one.image_shape != image.image_shape:
                raise ValueError(
                    f"{image.name} has shape {image.image_shape}, its neighbor {one.name} {one.image_shape}: pass one "
                    "shape"
                )
        own = tuple(Neighbor(images[n][0].source, images[n][0].page, (image.source, image.page)) for n in near)
        result.append([replace(plane, neighbors=own) for plane in images[number]])
    return result


def _planes_of_array(image: np.ndarray, name: str, data_range: float | None, colors: int) -> list[Plane]:
    with naming(name):
        white = float(find_white(image, data_range))
    checksum = zlib.crc32(np.ascontiguousarray(image).data)
    return _by_channel(Plane(image, name, (), image.shape[:2], 0, white, checksum), colors)


def _planes_of_file(file: ImageFile, colors: int) -> list[list[Plane]]:
    height, width = file.header.shape[:2]
    assert file.data_range is not None
    white = float(file.data_range)
    return [
        _by_channel(
            Plane(file, file.name(page), (), (height, width), 0, white, file.checksum, page=page, file=file.path),
            colors,
        )
        for page in range(file.header.pages)
    ]


def _by_channel(whole: Plane, colors: int) -> list[Plane]:
    """Return the planes of an image."""
    pixel = np.zeros((1, 1, *whole.image_shape[2:]), whole.dtype)
    count = len(to_planes(pixel, whole.data_range).data)
    if colors > 1 and count != colors:
        raise ValueError(
            f"{whole.name} has {count} channel(s), expected red, green and blue: leave it out, or train on grayscale"
        )
    groups = [tuple(range(c, c + colors)) for c in range(0, count, colors)]
    return [replace(whole, channels=group) for group in groups]


def split(images: Sequence[list[Plane]], rows: int, share: float = 0.1) -> tuple[list[Plane], list[Plane]]:
    """Split images into training planes and held-out planes.

    About every tenth image is held out. Of a single image, the last rows are held out.

    Args:
        images: Planes of each image.
        rows: Minimum number of rows to hold out of a single image.
        share: Fraction to hold out. Of two or more images, at least one is held out.

    Raises:
        ValueError: A single image has too few rows to be split.

    Example:
        >>> train, held_out = split(open_images([np.zeros((200, 8))]), rows=10)
        >>> train[0].shape, held_out[0].shape
        ((180, 8), (20, 8))
    """
    if len(images) == 1:
        height = images[0][0].shape[0]
        cut = height - max(rows, round(height * share))
        if cut < rows:
            raise ValueError(f"an image of {height} rows is too small to train on: {2 * rows} or more are needed")
        return [p.rows(0, cut) for p in images[0]], [p.rows(cut, height) for p in images[0]]
    step = max(2, round(1 / share))
    held = range(step // 2 if len(images) > step // 2 else 0, len(images), step)
    train = [plane for i, planes in enumerate(images) if i not in held for plane in planes]
    return train, [plane for i in held for plane in images[i]]
