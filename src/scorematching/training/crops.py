"""Random crops of images, with or without added noise. They depend only on the seed and the step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.priors.batch import Crops
from scorematching.training.planes import Plane
from scorematching.training.prefetch import prefetched

#: In blind training, every n-th crop has less noise than the stated level.
_BLIND = 4
#: Fraction of noisy crops that get no added noise, if noise may be added.
_OWN_SHARE = 0.25
#: Minimum ratio of total noise to the crop's own noise, if noise is added. With less added noise, Stein's estimate has
#: a larger variance than a random probe.
_LEAST = math.sqrt(2)
#: Number of planes that crops are drawn from at a time, and of the crops of each, if the images exceed the memory.
_POOL, _CROPS = 64, 12


class CropStream:
    """Random square crops of planes, by default rotated and reflected at random.

    A batch depends only on the seed and its number. The contrast of each crop is changed so that all have the same
    noise level.

    Args:
        planes: Planes to crop. The probability of a plane is proportional to its number of pixels. Either all of them
            have noise, or none.
        crop: Side of a crop, in pixels.
        batch: Number of crops per batch.
        fresh: Level of the noise that is added to each crop of clean planes, with white at 1; 0 for noisy planes.
        seed: Seed of the draws.
        blind: Whether to lower the contrast of every fourth crop by a random factor, noise included.
        max_level: Highest level of added noise, with white at 1. If given, three of four noisy crops and all clean ones
            get noise up to a random level, which is uniform in its logarithm.
        turned: Whether to rotate and reflect crops. For noise whose correlation changes with the direction, do not.
        pooled: Whether crops are drawn from 64 planes, of which one is replaced after 12 crops on average. Images that
            do not fit into memory are then decoded for 12 crops, and not for each.

    Raises:
        ValueError: A plane is smaller than a crop, or all planes have too much noise to add more.

    Example:
        >>> from scorematching.training.data import open_images
        >>> stream = CropStream(open_images([np.eye(20, 30)])[0], crop=8, batch=4, seed=1)
        >>> stream[7].pixels.shape, torch.equal(stream[7].pixels, stream[7].pixels)
        (torch.Size([4, 1, 8, 8]), True)
    """

    def __init__(
        self,
        planes: Sequence[Plane],
        crop: int,
        batch: int,
        fresh: float = 0.0,
        seed: int = 0,
        blind: bool = False,
        max_level: float | None = None,
        turned: bool = True,
        pooled: bool = False,
    ) -> None:
        for plane in planes:
            if min(plane.shape) < crop:
                raise ValueError(
                    f"{plane.name}, of {plane.shape[0]} x {plane.shape[1]} pixels, is smaller than a crop of {crop}: "
                    "leave it out, or use smaller crops or filters"
                )
        self.planes, self.crop, self.batch, self.fresh, self.seed = list(planes), crop, batch, fresh, seed
        self.blind, self.max_level, self.turned, self.pooled = blind, max_level, turned, pooled
        #: Number of crops, at the start of a batch, that get no added noise.
        self.own = 0 if fresh else math.ceil(_OWN_SHARE * batch) if max_level else batch
        self._every = _with_chances(self.planes)
        quiet = [plane for plane in planes if plane.later is not None or self._is_quiet(plane)]
        if max_level and not any(self._is_quiet(plane.known()) for plane in quiet):
            least = min(plane.known().sigma * plane.data_range for plane in planes)
            raise ValueError(
                f"max_sigma must be {_LEAST:.3g} times the lowest noise level of the images, {least:.4g}, or more, got "
                f"{max_level * planes[0].data_range:g}"
            )
        self._quiet = _with_chances(quiet)
        self._prepared: Callable[[int], Crops] = self._batch

    def __getitem__(self, number: int) -> Crops:
        """Return batch ``number``."""
        return self._prepared(number)

    @contextmanager
    def prefetched(self, workers: int, end: int) -> Iterator[None]:
        """Prepare batches ahead in threads, within the block, and decode all images once to find damaged ones early.

        The batches are the same for any number of threads.

        Args:
            workers: Number of threads. 0 prepares each batch when it is needed.
            end: Number of batches.
        """
        with prefetched(self._batch, end, workers, [plane.check for plane in self.planes]) as prepared:
            self._prepared = prepared
            try:
                yield
            finally:
                self._prepared = self._batch

    def _batch(self, number: int) -> Crops:
        random = np.random.default_rng((self.seed, number))
        pixels, noise, added = [], [], []
        for k in range(self.batch):
            plane = self._drawn(number, random, quiet=k >= self.own)
            crop, level = self._cut(plane, random), plane.sigma
            if k >= self.own:
                level = self._level(plane, random)
                crop, more = self._noisier(crop, plane, level, random)
                added.append(more)
            share = 1.0
            if self.blind and k % _BLIND == 0:
                share = random.uniform(min(level / self.max_level, 1.0) if self.max_level else 0.0, 1.0)
            pixels.append(crop)
            noise.append(share)
        shares = torch.tensor(noise, dtype=torch.float32)
        stack, known = torch.stack(pixels), torch.stack(added) if added else torch.zeros(0)
        by_crop = shares[:, None, None, None]
        return Crops(by_crop * stack, shares, by_crop[self.own :] * known if added else known)

    def _drawn(self, number: int, random: np.random.Generator, quiet: bool) -> Plane:
        """Return a random plane, of all or of those with little noise, for a crop of batch ``number``."""
        planes, chances = self._quiet if quiet else self._every
        if self.pooled:
            place = int(random.integers(_POOL))
            turn = (number * self.batch + place * _CROPS) // (_POOL * _CROPS)  # the places change one after the other
            random = np.random.default_rng((self.seed, place, turn, 1))
        while True:
            plane = planes[random.choice(len(planes), p=chances)].known()
            if not quiet or self._is_quiet(plane):
                return plane

    def _is_quiet(self, plane: Plane) -> bool:
        """Return whether noise can be added to a plane."""
        return not self.max_level or _LEAST * plane.sigma <= self.max_level

    def _cut(self, plane: Plane, random: np.random.Generator) -> Tensor:
        """Return a random crop of a plane, rotated and reflected at random unless :attr:`turned` is False."""
        top, left = (int(random.integers(n - self.crop + 1)) for n in plane.shape)
        crop = plane.crop(top, left, self.crop)
        if not self.turned:
            return crop
        crop = torch.rot90(crop, int(random.integers(4)), (1, 2))
        return crop.flip(1) if random.integers(2) else crop

    def _level(self, plane: Plane, random: np.random.Generator) -> float:
        """Return a random noise level for a crop, with white at 1."""
        least = _LEAST * plane.sigma or self.fresh
        return math.exp(random.uniform(math.log(least), math.log(max(least, self.max_level or least))))

    def _noisier(self, crop: Tensor, plane: Plane, level: float, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Add noise to a crop up to a level, and change its contrast so that its noise has the level of all crops.

        Returns:
            The crop, and the added noise divided by its fraction of the noise variance.
        """
        fresh = torch.from_numpy(random.standard_normal(crop.shape, dtype=np.float32))
        own, whole = plane.contrast * plane.sigma, plane.contrast * level  # at the contrast of the crop
        told, part = own or self.fresh, math.sqrt(whole**2 - own**2)
        return (told / whole) * (crop + part * fresh), (told * whole / part) * fresh


def _with_chances(planes: Sequence[Plane]) -> tuple[list[Plane], np.ndarray]:
    """Return planes, and the probability of each, proportional to its number of pixels."""
    pixels = np.array([plane.shape[0] * plane.shape[1] for plane in planes], dtype=float)
    return list(planes), pixels / pixels.sum()


def usable_planes(planes: list[Plane], crop: int, prior: Prior) -> tuple[list[Plane], int]:
    """Return the planes that are large enough for a crop, and the side of a crop.

    The side is ``crop``, or as close to it as the planes and the prior allow. A warning names the images that are left
    out.
    """
    side = max(min(crop, max(min(plane.shape) for plane in planes)), prior.min_crop)
    side -= side % prior.block
    large = [plane for plane in planes if min(plane.shape) >= side]
    small = sorted({plane.name for plane in planes} - {plane.name for plane in large})
    if large and small:
        warnings.warn(f"left out, smaller than a crop of {side} pixels: {', '.join(small)}", stacklevel=3)
    return large or planes, side
