"""Training data: pictures from arrays or files, and random crops of them that depend on seed and step alone."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorematching.images import find_images, read_image, to_planes

Picture = np.ndarray | str | Path

#: Bytes of pictures from files that are kept in memory; the rest is read again for each crop.
MEMORY = 2 * 1024**3


@dataclass(frozen=True)
class Plane:
    """One channel of a picture, or some rows of it: an array in memory, or a file that is read when it is asked for.

    Attributes:
        source: The picture.
        name: Its name.
        channel: Which of its channels.
        shape: Height and width in pixels.
        first: The row of the picture that is row 0 here.
        peak: The picture's value of white.
        checksum: Of the picture's pixels.
    """

    source: np.ndarray | Path
    name: str
    channel: int
    shape: tuple[int, int]
    first: int
    peak: float
    checksum: int

    def crop(self, top: int, left: int, side: int) -> Tensor:
        """A square of pixels, (side, side), white at 1."""
        image = self.source if isinstance(self.source, np.ndarray) else read_image(self.source)
        top += self.first
        return to_planes(image[top : top + side, left : left + side], self.peak).data[self.channel, 0]

    def rows(self, start: int, stop: int) -> Plane:
        """Some rows of it."""
        return replace(self, shape=(stop - start, self.shape[1]), first=self.first + start)


def open_pictures(pictures: Iterable[Picture] | Picture, peak: float | None = None) -> list[list[Plane]]:
    """The planes of all pictures, one list a picture: the channels of a colour picture are planes of their own.

    Every picture is looked at once. Files are kept in memory up to ``MEMORY`` bytes, the others read when needed.

    Args:
        pictures: Arrays, files, folders of files; or one of them. Arrays as in
            :func:`scorematching.images.to_planes`.
        peak: The value of white in all of them; by default, what their types say.

    Raises:
        FileNotFoundError: A file or folder does not exist, or there is no picture.
        TypeError: An array is not of a known type.
        ValueError: A file can't be read, an array has a wrong shape, or the pictures differ in their value of white.
    """
    found: list[list[Plane]] = []
    kept = 0
    for item in [pictures] if isinstance(pictures, np.ndarray | str | Path) else pictures:
        if isinstance(item, np.ndarray):
            found.append(_planes_of(item, item, f"array {len(found)}", peak))
            continue
        for path in find_images([item]):
            image = read_image(path)
            kept += image.nbytes
            found.append(_planes_of(image, image if kept <= MEMORY else path, path.name, peak))
    if not found:
        raise FileNotFoundError("no picture was given")
    low, high = (choose((planes[0] for planes in found), key=lambda plane: plane.peak) for choose in (min, max))
    if low.peak != high.peak:
        raise ValueError(
            f"the pictures differ in their white: {low.peak:g} in {low.name}, {high.peak:g} in {high.name}; "
            "say it (peak)"
        )
    return found


def _planes_of(image: np.ndarray, source: np.ndarray | Path, name: str, peak: float | None) -> list[Plane]:
    planes = to_planes(image, peak)
    count, _, height, width = planes.data.shape
    checksum = zlib.crc32(np.ascontiguousarray(image).tobytes())
    return [Plane(source, name, c, (height, width), 0, planes.peak, checksum) for c in range(count)]


def split(pictures: Sequence[list[Plane]], rows: int, share: float = 0.1) -> tuple[list[Plane], list[Plane]]:
    """Planes to train on, and planes held out: every tenth picture or so, or the last rows of a single one.

    Args:
        pictures: One list of planes a picture.
        rows: How many rows of a single picture to hold out at least.
        share: How much to hold out; of two pictures or more, at least one is.

    Raises:
        ValueError: A single picture has too few rows to be parted.

    Example:
        >>> train, held_out = split(open_pictures([np.zeros((200, 8))]), rows=10)
        >>> train[0].shape, held_out[0].shape
        ((180, 8), (20, 8))
    """
    if len(pictures) == 1:
        height = pictures[0][0].shape[0]
        cut = height - max(rows, round(height * share))
        if cut < rows:
            raise ValueError(f"a picture of {height} rows is too small to fit to: it takes {2 * rows} or more")
        return [p.rows(0, cut) for p in pictures[0]], [p.rows(cut, height) for p in pictures[0]]
    step = max(2, round(1 / share))
    held = range(step // 2 if len(pictures) > step // 2 else 0, len(pictures), step)
    train = [plane for i, planes in enumerate(pictures) if i not in held for plane in planes]
    return train, [plane for i in held for plane in pictures[i]]


class CropStream:
    """Random square crops of planes, turned and mirrored at random. A batch depends on the seed and its number alone.

    Args:
        planes: One is drawn with a chance in proportion to its pixels.
        crop: Side of a crop.
        batch: Crops a batch.
        sigma: Standard deviation of fresh noise that is added to each crop, white being 1.
        seed: Of the draws.

    Raises:
        ValueError: A plane is smaller than a crop.

    Example:
        >>> stream = CropStream(open_pictures([np.eye(20, 30)])[0], crop=8, batch=4, seed=1)
        >>> stream[7].shape, torch.equal(stream[7], stream[7])
        (torch.Size([4, 1, 8, 8]), True)
    """

    def __init__(self, planes: Sequence[Plane], crop: int, batch: int, sigma: float = 0.0, seed: int = 0) -> None:
        for plane in planes:
            if min(plane.shape) < crop:
                raise ValueError(
                    f"{plane.name}, of {plane.shape[0]} x {plane.shape[1]} pixels, is smaller than a crop of {crop}: "
                    "leave it out, or train on smaller crops or filters"
                )
        self.planes, self.crop, self.batch, self.sigma, self.seed = list(planes), crop, batch, sigma, seed
        pixels = np.array([plane.shape[0] * plane.shape[1] for plane in planes], dtype=float)
        self._chances = pixels / pixels.sum()

    def __getitem__(self, number: int) -> Tensor:
        """Batch ``number``, shape (batch, 1, crop, crop)."""
        random = np.random.default_rng((self.seed, number))
        crops = []
        for index in random.choice(len(self.planes), self.batch, p=self._chances):
            plane = self.planes[index]
            top, left = (int(random.integers(n - self.crop + 1)) for n in plane.shape)
            crop = torch.rot90(plane.crop(top, left, self.crop), int(random.integers(4)))
            crops.append(crop.flip(0) if random.integers(2) else crop)
        stack = torch.stack(crops)[:, None]
        if self.sigma:
            noise = random.standard_normal(stack.shape, dtype=np.float32)
            stack = stack + self.sigma * torch.from_numpy(noise)
        return stack
