"""Training data: images from arrays or files, and the held-out part of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
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
from scorematching.noise import NoiseModel, Stabilizer

ImageSource = np.ndarray | str | Path

#: Maximum size in bytes of the images from files that are kept in memory. Others are read again for each crop.
MEMORY = 2 * 1024**3


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

    def crop(self, top: int, left: int, side: int) -> Tensor:
        """Return a square of pixels, (C, side, side), with white at ``contrast``."""
        top += self.first
        return self._seen(self.image()[top : top + side, left : left + side])

    def pixels(self) -> Tensor:
        """Return all pixels, (C, H, W), with white at ``contrast``."""
        return self._seen(self.image()[self.first : self.first + self.shape[0]])

    def rows(self, start: int, stop: int) -> Plane:
        """Return the plane of the rows from ``start`` to ``stop``."""
        return replace(self, shape=(stop - start, self.shape[1]), first=self.first + start)

    def image(self) -> np.ndarray:
        """Return the whole image, with all its channels."""
        return self.source if isinstance(self.source, np.ndarray) else read_image(self.source, self.page)

    def _seen(self, part: np.ndarray) -> Tensor:
        data = to_planes(part, self.data_range).data[list(self.channels), 0]
        if self.stabilizer is not None:
            data = self.stabilizer.forward(data) if self.sigma else self.stabilizer.mean(data)
        return self.contrast * data


#: Planes of each image.
ImagePlanes = Sequence[list[Plane]]


def open_images(
    images: Iterable[ImageSource] | ImageSource, data_range: float | None = None, colors: int = 1
) -> list[list[Plane]]:
    """Open the planes of all images. Each channel is a plane, or red, green and blue together are one plane.

    Every image is read once. Files are kept in memory up to ``MEMORY`` bytes. Others are read when they are needed. The
    pages of a stack are separate images with the same value of white.

    Args:
        images: Arrays, files, folders of files; or one of them. Arrays are as in
            :func:`scorematching.images.to_planes`.
        data_range: Value of white in all images. By default that of their types.
        colors: Number of channels of a plane: 1, or 3 for red, green and blue together.

    Returns:
        A list of planes for each image.

    Raises:
        FileNotFoundError: A file or folder does not exist, or there is no image.
        TypeError: The type of an array is not supported.
        ValueError: A file can't be read, an array has a wrong shape, an image lacks colors, or the images differ in
            their value of white.
    """
    found: list[list[Plane]] = []
    kept = 0
    for item in [images] if isinstance(images, np.ndarray | str | Path) else images:
        if isinstance(item, np.ndarray):
            found.append(_planes_of(item, item, f"array {len(found)}", data_range, colors))
            continue
        for path in find_images([item]):
            white, several = find_white_of_file(path, data_range), count_pages(path) > 1
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
    return found


def _planes_of(
    image: np.ndarray,
    source: np.ndarray | Path,
    name: str,
    data_range: float | None,
    colors: int,
    page: int = 0,
    file: Path | None = None,
) -> list[Plane]:
    white = float(find_white(image, data_range))
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
