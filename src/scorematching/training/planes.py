"""Planes: the channels of images that a prior sees, whose pixels are read when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorematching.images import to_planes
from scorematching.images.neighbors import Level, level_of
from scorematching.noise import NoiseModel, Stabilizer
from scorematching.training.sources import ImageFile


@dataclass(frozen=True)
class Neighbor:
    """Image before or after another one.

    Attributes:
        source: Image, or the file to read it from.
        page: Index of the page, from 0.
        other: The other image, or its file, and its page.
    """

    source: np.ndarray | ImageFile
    page: int
    other: tuple[np.ndarray | ImageFile, int]
    _known: list[Level] = field(default_factory=list, compare=False, repr=False)

    @property
    def level(self) -> Level:
        """Change of the values to the level of the other image. It is found when it is first used."""
        if not self._known:
            self._known.append(level_of(_image(self.source, self.page), _image(*self.other)))
        return self._known[0]


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
        checksum: Checksum of the pixels of the image, or of its file.
        sigma: Noise level of the stabilized pixels, with white at 1; 0 for clean images.
        noise: Noise, in the units of the image; ``None`` for clean images.
        stabilizer: Map to white noise of one level; ``None`` for clean images.
        contrast: Factor of the values in crops, which gives all planes the same noise level.
        page: Index of the page, from 0.
        file: File of the image, if any.
        neighbors: Images before and after the image, in their order, if the prior sees them.
        later: Function that returns a plane with its noise, if the noise is estimated when the plane is first used.
    """

    source: np.ndarray | ImageFile
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
    neighbors: tuple[Neighbor, ...] = ()
    later: Callable[[Plane], Plane] | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of the whole image, with all its channels."""
        return self.source.shape if isinstance(self.source, np.ndarray) else self.source.header.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of the pixels of the image."""
        return self.source.dtype if isinstance(self.source, np.ndarray) else self.source.header.dtype

    def known(self) -> Plane:
        """Return the plane with its noise, which is estimated if it was left for later."""
        return self if self.later is None else self.later(self)

    def check(self) -> None:
        """Decode the image, and estimate its noise if that was left for later; raise an error if it is damaged."""
        self.image()
        self.known()

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


def _image(source: np.ndarray | ImageFile, page: int) -> np.ndarray:
    return source if isinstance(source, np.ndarray) else source.read(page)


def size_of_files(planes: Iterable[Plane]) -> int:
    """Return the size in bytes of all images of the files of planes, when they are decoded; 0 for arrays alone.

    Example:
        >>> size_of_files([])
        0
    """
    files = {plane.source.path: plane.source for plane in planes if isinstance(plane.source, ImageFile)}
    return sum(file.nbytes for file in files.values())


def middle(image: np.ndarray, side: int) -> np.ndarray:
    """Return the square in the middle of an image, or of its rows and columns as far as they go.

    Example:
        >>> middle(np.arange(12).reshape(3, 4), 2).tolist()
        [[1, 2], [5, 6]]
    """
    top, left = (max(n - side, 0) // 2 for n in image.shape[:2])
    return image[top : top + side, left : left + side]


#: Planes of each image.
ImagePlanes = Sequence[list[Plane]]
