"""Training data: pictures from arrays or files, their noise, and what of them is held out."""

from __future__ import annotations

import math
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
from scorematching.images.wavelet_noise import estimate_noise
from scorematching.noise.poisson_gaussian import Stabilizer, camera_noise

Picture = np.ndarray | str | Path

#: Bytes of pictures from files that are kept in memory; the rest is read again for each crop.
MEMORY = 2 * 1024**3


@dataclass(frozen=True)
class Plane:
    """Channels of a picture that are seen together, one as a rule, or some rows of them; read when they are needed.

    Attributes:
        source: The picture.
        name: Its name.
        channels: Which of its channels, C.
        shape: Height and width in pixels.
        first: The row of the picture that is row 0 here.
        peak: The picture's value of white.
        checksum: Of the picture's pixels.
        sigma: Standard deviation of the noise that it carries, white being 1 (and stabilised, where it is); 0 where it
            is clean.
        stabilizer: What makes its noise Gaussian where it grows with brightness.
        contrast: What its values are multiplied by in crops, so that the noise of all planes is the same there.
        page: Which picture of the file.
        file: The file that it is from, if it is from one.
        floating: Whether its values are floating-point numbers.
    """

    source: np.ndarray | Path
    name: str
    channels: tuple[int, ...]
    shape: tuple[int, int]
    first: int
    peak: float
    checksum: int
    sigma: float = 0.0
    stabilizer: Stabilizer | None = None
    contrast: float = 1.0
    page: int = 0
    file: Path | None = None
    floating: bool = False

    def crop(self, top: int, left: int, side: int) -> Tensor:
        """A square of pixels, (C, side, side), white at ``contrast``."""
        top += self.first
        return self._seen(self._image()[top : top + side, left : left + side])

    def pixels(self) -> Tensor:
        """All of it, (C, H, W), white at ``contrast``."""
        return self._seen(self._image()[self.first : self.first + self.shape[0]])

    def rows(self, start: int, stop: int) -> Plane:
        """Some rows of it."""
        return replace(self, shape=(stop - start, self.shape[1]), first=self.first + start)

    def _seen(self, part: np.ndarray) -> Tensor:
        data = to_planes(part, self.peak).data[list(self.channels), 0]
        if self.stabilizer is not None:
            data = self.stabilizer.forward(data) if self.sigma else self.stabilizer.mean(data)
        return self.contrast * data

    def _image(self) -> np.ndarray:
        return self.source if isinstance(self.source, np.ndarray) else read_image(self.source, self.page)


def open_pictures(
    pictures: Iterable[Picture] | Picture, peak: float | None = None, colours: int = 1
) -> list[list[Plane]]:
    """The planes of all pictures, one list a picture: channels are planes of their own, or all three one.

    Every picture is looked at once. Files are kept in memory up to ``MEMORY`` bytes, the others read when needed. The
    pages of a stack are pictures of their own, with one value of white.

    Args:
        pictures: Arrays, files, folders of files; or one of them. Arrays as in
            :func:`scorematching.images.to_planes`.
        peak: The value of white in all of them; by default, what their types say.
        colours: How many channels a plane has: 1, or 3, that of a picture in red, green and blue.

    Raises:
        FileNotFoundError: A file or folder does not exist, or there is no picture.
        TypeError: An array is not of a known type.
        ValueError: A file can't be read, an array has a wrong shape, a picture has not as many colours, or the pictures
            differ in their value of white.
    """
    found: list[list[Plane]] = []
    kept = 0
    for item in [pictures] if isinstance(pictures, np.ndarray | str | Path) else pictures:
        if isinstance(item, np.ndarray):
            found.append(_planes_of(item, item, f"array {len(found)}", peak, colours))
            continue
        for path in find_images([item]):
            white, several = find_white_of_file(path, peak), count_pages(path) > 1
            for page, image in enumerate(read_pages(path)):
                kept += image.nbytes
                name = f"{path.name} page {page + 1}" if several else path.name
                found.append(_planes_of(image, image if kept <= MEMORY else path, name, white, colours, page, path))
    if not found:
        raise FileNotFoundError("no picture was given")
    low, high = (choose((planes[0] for planes in found), key=lambda plane: plane.peak) for choose in (min, max))
    if low.peak != high.peak:
        raise ValueError(
            f"the pictures differ in their white: {low.peak:g} in {low.name}, {high.peak:g} in {high.name}; "
            "say it (peak, --white)"
        )
    return found


def _planes_of(
    image: np.ndarray,
    source: np.ndarray | Path,
    name: str,
    peak: float | None,
    colours: int,
    page: int = 0,
    file: Path | None = None,
) -> list[Plane]:
    white = float(find_white(image, peak))
    checksum = zlib.crc32(np.ascontiguousarray(image).data)
    height, width = image.shape[:2]
    count = len(to_planes(image[:1, :1], white).data)
    if colours > 1 and count != colours:
        raise ValueError(f"{name} has {count} channel(s), expected red, green and blue: leave it out, or learn grey")
    groups = [tuple(range(c, c + colours)) for c in range(0, count, colours)]
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


def with_noise(
    pictures: Sequence[list[Plane]],
    sigma: float | Sequence[float] | None,
    gain: float | None = None,
    offset: float = 0.0,
) -> tuple[list[list[Plane]], float]:
    """Noisy pictures that know their noise, and the level that their crops are brought to, white being 1.

    Args:
        pictures: One list of planes a picture.
        sigma: Standard deviation of the noise in the pictures' own units: one for all, one a picture, or ``None`` to
            estimate each picture's by :func:`scorematching.images.estimate_noise`; with ``gain`` that of the read
            noise, ``None`` being 0.
        gain: What a photon adds to a pixel, in the pictures' own units, where noise grows with brightness.
        offset: With ``gain``, the pixel value of no light at all.

    Returns:
        The pictures, and the mean of their levels.

    Raises:
        ValueError: There are more or fewer levels than pictures, or one is not positive; or what
            :class:`scorematching.noise.Anscombe` raises.
    """
    sigmas = list(sigma) if isinstance(sigma, Iterable) else [sigma] * len(pictures)
    if len(sigmas) != len(pictures):
        raise ValueError(f"sigma must be one number, or one a picture: got {len(sigmas)} for {len(pictures)} pictures")
    known = [_with_own_noise(planes, s, gain, offset) for planes, s in zip(pictures, sigmas, strict=True)]
    levels = [planes[0].sigma for planes in known]
    mean = levels[0] if len(set(levels)) == 1 else math.fsum(levels) / len(levels)
    return [[replace(plane, contrast=mean / plane.sigma) for plane in planes] for planes in known], mean


def _with_own_noise(planes: list[Plane], sigma: float | None, gain: float | None, offset: float) -> list[Plane]:
    """The planes of one picture, with their noise."""
    peak, noise = planes[0].peak, camera_noise(sigma or 0.0, gain, offset)
    if noise is not None:
        stabilizer = Stabilizer(noise, peak)
        return [replace(plane, sigma=stabilizer.level, stabilizer=stabilizer) for plane in planes]
    if sigma is None:
        channels = [channel.numpy() for plane in planes for channel in plane.pixels()]
        level = float(np.mean([estimate_noise(channel, 1.0) for channel in channels]))
    else:
        level = float(sigma) / peak
    if not 0 < level < math.inf:
        how = "was found to be" if sigma is None else "must be above 0, got"
        raise ValueError(f"{planes[0].name}: the noise level {how} {level * peak:g}")
    return [replace(plane, sigma=level) for plane in planes]


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
