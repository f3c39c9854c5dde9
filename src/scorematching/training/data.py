"""Training data: images from arrays or files, and the held-out part of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from scorematching.images import (
    count_pages,
    find_images,
    find_white,
    find_white_of_file,
    read_image,
    read_pages,
    to_planes,
)
from scorematching.images.axes import check_axes, images_last, white_of_array
from scorematching.images.io.sequence import lines_of_pages
from scorematching.images.neighbors import Level, find_neighbors, is_blank, level_of, lines
from scorematching.noise import NoiseModel, Stabilizer
from scorematching.runtime.arguments import shown

ImageSource = np.ndarray | str | Path

#: Maximum size in bytes of the images from files that are kept in memory. Others are read again for each crop.
MEMORY = 2 * 1024**3
#: Number of columns that are too few for an image.
_SMALL = 4


class Neighbor(NamedTuple):
    """Image before or after another one.

    Attributes:
        source: Image, or the file to read it from.
        page: Index of the page, from 0.
        level: Change of its values to the level of the other image.
    """

    source: np.ndarray | Path
    page: int
    level: Level


@dataclass(frozen=True)
class Plane:
    """One channel of an image, or all channels that a prior sees together. Pixels are read when they are needed.

    Attributes:
        source: Image, or the file to read it from.
        name: Name of the image.
        channels: Indices of the C channels.
        shape: Height and width in pixels.
        first: First row of the image that belongs to the plane.
        data_range: Value of white in the image.
        checksum: Checksum of the pixels of the image.
        sigma: Noise level of the stabilized pixels, with white at 1; 0 for clean images.
        noise: Noise, in the units of the image; ``None`` for clean images.
        stabilizer: Map to white noise of one level; ``None`` for clean images.
        contrast: Factor of the values in crops, which gives all planes the same noise level.
        page: Index of the page, from 0.
        file: File of the image, if any.
        floating: Whether the values are floating-point numbers.
        neighbors: Images before and after the image, in their order, if the prior sees them.
    """

    source: np.ndarray | Path
    name: str
    channels: tuple[int, ...]
    shape: tuple[int, int]
    first: int
    data_range: float
    checksum: int
    sigma: float = 0.0
    noise: NoiseModel | None = None
    stabilizer: Stabilizer | None = None
    contrast: float = 1.0
    page: int = 0
    file: Path | None = None
    floating: bool = False
    neighbors: tuple[Neighbor, ...] = ()

    def crop(self, top: int, left: int, side: int) -> Tensor:
        """Return a square of pixels, (C, side, side), with white at ``contrast``; with neighbors, theirs too."""
        top += self.first
        return self._pixels(slice(top, top + side), slice(left, left + side))

    def pixels(self) -> Tensor:
        """Return all pixels, (C, H, W), with white at ``contrast``; with neighbors, theirs too."""
        return self._pixels(slice(self.first, self.first + self.shape[0]), slice(None))

    def rows(self, start: int, stop: int) -> Plane:
        """Return the plane of the rows from ``start`` to ``stop``."""
        return replace(self, shape=(stop - start, self.shape[1]), first=self.first + start)

    def image(self) -> np.ndarray:
        """Return the whole image, with all its channels."""
        return _image(self.source, self.page)

    def _pixels(self, rows: slice, columns: slice) -> Tensor:
        near = [one.level.apply(_image(one.source, one.page)[rows, columns]) for one in self.neighbors]
        middle = len(near) // 2
        images = [*near[:middle], self.image()[rows, columns], *near[middle:]]
        return torch.cat([self._seen(image) for image in images])

    def _seen(self, part: np.ndarray) -> Tensor:
        data = to_planes(part, self.data_range).data[list(self.channels), 0]
        if self.stabilizer is not None:
            data = self.stabilizer.forward(data) if self.sigma else self.stabilizer.mean(data)
        return self.contrast * data


def _image(source: np.ndarray | Path, page: int) -> np.ndarray:
    return source if isinstance(source, np.ndarray) else read_image(source, page)


#: Planes of each image.
ImagePlanes = Sequence[list[Plane]]


def _check_kind(item: object) -> None:
    """Raise ``TypeError`` or ``ValueError`` if an image is a tensor, or looks like vectors."""
    vectors = "for vectors, one per row, use scorematching.EnergyModel().fit(x)"
    if isinstance(item, Tensor):
        raise TypeError(f"images must be arrays of NumPy or files, got a tensor: pass x.numpy() for images; {vectors}")
    if not isinstance(item, Iterable | Path):
        raise TypeError(f"images must be arrays of NumPy or files, got {shown(item)}")
    if isinstance(item, np.ndarray) and item.ndim == 2 and item.shape[1] < _SMALL <= item.shape[0]:
        raise ValueError(f"an array of {item.shape[0]} x {item.shape[1]} is too small for an image; {vectors}")


def open_images(
    images: Iterable[ImageSource] | ImageSource,
    data_range: float | None = None,
    colors: int = 1,
    axes: str | None = None,
    neighbors: int = 0,
) -> list[list[Plane]]:
    """Open the planes of all images. Each channel is a plane, or red, green and blue together are one plane.

    Every image is read once. Files are kept in memory up to ``MEMORY`` bytes. Others are read when they are needed. The
    pages of a stack are separate images with the same value of white.

    Args:
        images: Arrays, files, folders of files; or one of them. Arrays are as in
            :func:`scorematching.images.to_planes`.
        data_range: Value of white in all images. By default that of their types.
        colors: Number of channels of a plane: 1, or 3 for red, green and blue together.
        axes: Letters of the axes of the arrays, if they are stacks (:func:`scorematching.images.axes.check_axes`).
        neighbors: Number of neighbors on each side that belong to an image: pages of a file, images of a stack, or
            arrays of a list. Blank images have none, and are left out.

    Returns:
        A list of planes for each image.

    Raises:
        FileNotFoundError: A file or folder does not exist, or there is no image.
        TypeError: The type of an array is not supported.
        ValueError: A file can't be read, an array has a wrong shape, an image lacks colors, or the images differ in
            their value of white; ``axes`` does not fit; or there are too few neighbors.
    """
    found: list[list[Plane]] = []
    sequences: list[list[int]] = []
    arrays: list[int] = []
    kept = 0
    _check_kind(images)
    for item in [images] if isinstance(images, np.ndarray | str | Path) else images:
        _check_kind(item)
        if isinstance(item, np.ndarray):
            stack, order = _stack(item, axes)
            white = data_range if axes is None else white_of_array(item, axes, data_range)
            arrays += range(len(found), len(found) + len(stack)) if axes is None else []
            sequences += [[len(found) + number for number in line] for line in order]
            found += [_planes_of(one, one, f"array {len(found) + n}", white, colors) for n, one in enumerate(stack)]
            continue
        for path in find_images([item]):
            white, several = find_white_of_file(path, data_range), count_pages(path) > 1
            sequences += [[len(found) + n for n in line] for line in lines_of_pages(path)] if neighbors else []
            for page, image in enumerate(read_pages(path)):
                kept += image.nbytes
                name = f"{path.name} page {page + 1}" if several else path.name
                found.append(_planes_of(image, image if kept <= MEMORY else path, name, white, colors, page, path))
    if not found:
        raise FileNotFoundError("no image is given: pass arrays, files or folders")
    low, high = (choose((planes[0] for planes in found), key=lambda plane: plane.data_range) for choose in (min, max))
    if low.data_range != high.data_range:
        raise ValueError(
            f"the images differ in their value of white: {low.data_range:g} in {low.name}, {high.data_range:g} in "
            f"{high.name}; pass one value for all (data_range, --white)"
        )
    return _with_neighbors(found, [*sequences, *([arrays] if arrays else [])], neighbors) if neighbors else found


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
        try:
            found |= find_neighbors(line, blank, count)
        except ValueError as error:
            raise ValueError(f"{images[line[0]][0].name}: {error}") from None
    result = []
    for number, near in sorted(found.items()):
        image, others = images[number][0].image(), [images[n][0] for n in near]
        for one in others:
            if (shape := one.image().shape) != image.shape:
                name = images[number][0].name
                raise ValueError(f"{name} has shape {image.shape}, its neighbor {one.name} {shape}: pass one shape")
        level = [level_of(one.image(), image) for one in others]
        own = tuple(Neighbor(one.source, one.page, change) for one, change in zip(others, level, strict=True))
        result.append([replace(plane, neighbors=own) for plane in images[number]])
    return result


def _planes_of(
    image: np.ndarray,
    source: np.ndarray | Path,
    name: str,
    data_range: float | None,
    colors: int,
    page: int = 0,
    file: Path | None = None,
) -> list[Plane]:
    try:
        white = float(find_white(image, data_range))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    checksum = zlib.crc32(np.ascontiguousarray(image).data)
    height, width = image.shape[:2]
    count = len(to_planes(image[:1, :1], white).data)
    if colors > 1 and count != colors:
        raise ValueError(
            f"{name} has {count} channel(s), expected red, green and blue: leave it out, or train on grayscale"
        )
    groups = [tuple(range(c, c + colors)) for c in range(0, count, colors)]
    first = Plane(
        source,
        name,
        groups[0],
        (height, width),
        0,
        white,
        checksum,
        page=page,
        file=file,
        floating=image.dtype.kind == "f",
    )
    return [replace(first, channels=group) for group in groups]


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
