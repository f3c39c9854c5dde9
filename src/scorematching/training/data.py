"""Training data: pictures from arrays or files, as planes, and random crops of them that depend on seed and step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorematching.images import find_images, read_image, to_planes

Picture = np.ndarray | str | Path


def load_planes(pictures: Iterable[Picture] | str | Path) -> tuple[list[list[Tensor]], float, list[str]]:
    """All planes of all pictures, one list a picture. The channels of a colour picture are planes of their own.

    Args:
        pictures: Arrays, files, folders of files; or one file or folder. Arrays as in
            :func:`scorematching.images.to_planes`.

    Returns:
        The planes, each (H, W) with white at 1; the value of white in the pictures; the pictures' names.

    Raises:
        FileNotFoundError: A file or folder does not exist, or there is no picture.
        TypeError: An array is not of a known type.
        ValueError: A file can't be read, an array has a wrong shape, or the pictures differ in their value of white.
    """
    items = [pictures] if isinstance(pictures, str | Path) else list(pictures)
    found: list[list[Tensor]] = []
    names: list[str] = []
    peaks: list[float] = []
    for item in items:
        if isinstance(item, np.ndarray):
            named = [(f"array {len(names)}", item)]
        else:
            named = [(path.name, read_image(path)) for path in find_images([item])]
        for name, image in named:
            planes = to_planes(image)
            found.append([plane[0] for plane in planes.data])
            names.append(name)
            peaks.append(planes.peak)
    if not found:
        raise FileNotFoundError("no picture was given")
    if min(peaks) != max(peaks):
        low, high = names[int(np.argmin(peaks))], names[int(np.argmax(peaks))]
        raise ValueError(f"the pictures differ in their white: {min(peaks):g} in {low}, {max(peaks):g} in {high}")
    return found, peaks[0], names


def split(pictures: Sequence[list[Tensor]], rows: int, share: float = 0.1) -> tuple[list[Tensor], list[Tensor]]:
    """Planes to train on, and planes held out: every tenth picture or so, or the last rows of a single one.

    Args:
        pictures: One list of planes a picture.
        rows: How many rows of a single picture to hold out at least.
        share: How much to hold out; of two pictures or more, at least one is.

    Example:
        >>> train, held_out = split([[torch.zeros(200, 8)]], rows=10)
        >>> train[0].shape, held_out[0].shape
        (torch.Size([180, 8]), torch.Size([20, 8]))
    """
    if len(pictures) == 1:
        height = pictures[0][0].shape[0]
        cut = height - max(rows, round(height * share))
        return [plane[:cut] for plane in pictures[0]], [plane[cut:] for plane in pictures[0]]
    step = max(2, round(1 / share))
    held = range(step // 2 if len(pictures) > step // 2 else 0, len(pictures), step)
    train = [plane for i, planes in enumerate(pictures) if i not in held for plane in planes]
    return train, [plane for i in held for plane in pictures[i]]


class CropStream:
    """Random square crops of planes, turned and mirrored at random. A batch depends on the seed and its number alone.

    Args:
        planes: Shape (H, W) each; one is drawn with a chance in proportion to its pixels.
        crop: Side of a crop.
        batch: Crops a batch.
        sigma: Standard deviation of fresh noise that is added to each crop.
        seed: Of the draws.

    Raises:
        ValueError: A plane is smaller than a crop.

    Example:
        >>> stream = CropStream([torch.rand(20, 30)], crop=8, batch=4, seed=1)
        >>> stream[7].shape, torch.equal(stream[7], stream[7])
        (torch.Size([4, 1, 8, 8]), True)
    """

    def __init__(self, planes: Sequence[Tensor], crop: int, batch: int, sigma: float = 0.0, seed: int = 0) -> None:
        for plane in planes:
            if min(plane.shape) < crop:
                raise ValueError(
                    f"a picture of {tuple(plane.shape)} pixels is smaller than a crop of {crop}: leave it out, or "
                    "train on smaller crops"
                )
        self.planes, self.crop, self.batch, self.sigma, self.seed = list(planes), crop, batch, sigma, seed
        pixels = np.array([plane.numel() for plane in planes], dtype=float)
        self._chances = pixels / pixels.sum()

    def __getitem__(self, number: int) -> Tensor:
        """Batch ``number``, shape (batch, 1, crop, crop)."""
        random = np.random.default_rng((self.seed, number))
        crops = []
        for index in random.choice(len(self.planes), self.batch, p=self._chances):
            plane = self.planes[index]
            top, left = (int(random.integers(n - self.crop + 1)) for n in plane.shape)
            crop = plane[top : top + self.crop, left : left + self.crop]
            crop = torch.rot90(crop, int(random.integers(4)))
            crops.append(crop.flip(0) if random.integers(2) else crop)
        stack = torch.stack(crops)[:, None]
        if self.sigma:
            noise = random.standard_normal(stack.shape, dtype=np.float32)
            stack = stack + self.sigma * torch.from_numpy(noise)
        return stack
