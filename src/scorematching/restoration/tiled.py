"""Images that are larger than memory: each tile is denoised by itself, with a margin."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import torch

from scorematching.images.arrays import check_type, from_planes
from scorematching.noise import ModulatedNoise, NoiseMap, NoiseModel
from scorematching.restoration.choice import PriorChoice, prior_for
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.neighbors import check_alone
from scorematching.restoration.plan import Plan
from scorematching.restoration.removed import warn_if_far

#: Side of a tile in pixels. It is a multiple of the side of the tiles of every prior.
SIDE = 1024
#: Largest number of samples of a pixel: red, green, blue and alpha.
_SAMPLES = 4


class Tile(NamedTuple):
    """Part of an image.

    Attributes:
        down: Rows of the part.
        across: Columns of the part.
    """

    down: slice
    across: slice

    def near(self, margin: int, height: int, width: int) -> Tile:
        """Return the part with a margin, within an image of a height and width."""
        sides = zip((self.down, self.across), (height, width), strict=True)
        return Tile(*(slice(max(part.start - margin, 0), min(part.stop + margin, size)) for part, size in sides))

    def within(self, other: Tile) -> Tile:
        """Return the place of the part in another part, which contains it."""
        pairs = zip(self, other, strict=True)
        return Tile(*(slice(own.start - outer.start, own.stop - outer.start) for own, outer in pairs))


def tiles(height: int, width: int, side: int = SIDE) -> list[Tile]:
    """Cut an image into tiles, row by row.

    Example:
        >>> [tile.across for tile in tiles(500, 1500)]
        [slice(0, 1024, None), slice(1024, 1500, None)]
    """
    parts = [[slice(n, min(n + side, size)) for n in range(0, size, side)] for size in (height, width)]
    return [Tile(*pair) for pair in itertools.product(*parts)]


def check_tiled(dtype: np.dtype, shape: tuple[int, ...], noise: float | NoiseModel | None, prior: PriorChoice) -> None:
    """Check, before any work, that an image can be denoised in tiles.

    Args:
        dtype: Type of its values.
        shape: Its shape, (H, W) or (H, W, C).
        noise: Noise, or ``None`` to estimate it.
        prior: Prior, or ``None`` for the default one.

    Raises:
        TypeError: The type is not supported.
        ValueError: The image has too many channels or is too small; the prior is of clean images, or of color for a
            grayscale image; or the noise is a map.

    Example:
        >>> check_tiled(np.dtype("uint8"), (50, 60), 25, None)
    """
    check_type(dtype)
    height, width, *samples = shape
    if samples and samples[0] > _SAMPLES:
        raise ValueError(f"image must have shape (H, W) or (H, W, C) with C from 1 to 4, got {shape}")
    if isinstance(noise.level if isinstance(noise, ModulatedNoise) else noise, NoiseMap):
        raise ValueError("a noise map is that of one image in memory: pass another noise model for a lazy array")
    chosen = prior_for(np.zeros((1, 1, *samples), np.uint8), prior)
    if chosen.noise is None:
        raise ValueError(
            "this prior was trained on clean images, and MAP looks at the whole image at once: pass a prior of noisy "
            "images, such as natural-gray, for a lazy array"
        )
    check_alone(chosen, "tiles of a lazy array")
    chosen.check_size(height, width)
    chosen.check_colors(torch.zeros(3 if samples and samples[0] >= 3 else 1, 1, 1, 1))


@torch.no_grad()
def denoise_tile(plan: Plan, image: np.ndarray, tile: Tile, near: Tile) -> np.ndarray:
    """Denoise a tile of an image.

    Args:
        plan: What was decided for the image.
        image: The tile with its margin, (h, w) or (h, w, C), as in :func:`scorematching.denoise`.
        tile: Place of the tile in the image.
        near: Place of ``image`` in the image.

    Returns:
        The denoised tile without its margin.
    """
    inner = tile.within(near)
    if plan.removes_nothing or not _has_data(image):
        return image[inner].copy()
    known = fill_missing(image, plan.data_range)
    planes = known.planes.data
    plan.check(planes)
    clean = plan.clean(plan.remove(plan.observe(planes, (near.down.start, near.across.start))), planes)
    warn_if_far(known, clean, plan.noise)
    return known.put_back(from_planes(known.planes, clean), image)[inner]


def _has_data(image: np.ndarray) -> bool:
    """Return whether a pixel is finite and not fully transparent."""
    finite = np.isfinite(image) if image.dtype.kind == "f" else np.ones(image.shape, bool)
    known = finite.all(2) if image.ndim == 3 else finite
    if image.ndim == 3 and image.shape[2] in (2, 4):
        known &= image[..., -1] > 0
    return bool(known.any())
