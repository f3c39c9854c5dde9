"""Denoising: Tweedie's formula with a prior of noisy pictures, MAP with any other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from scorematching.images import from_planes, to_planes
from scorematching.prior import Prior
from scorematching.restoration.map import maximum_a_posteriori
from scorematching.restoration.operators import Identity

#: Noise levels that differ by less than this factor are one: Tweedie's formula is then used.
SAME_LEVEL = 1.05


def is_level_of(sigma: float, prior: Prior) -> bool:
    """Whether a prior was fitted on noisy pictures of (about) this level; ``sigma`` as a share of white."""
    return prior.info.sigma > 0 and abs(math.log(sigma / prior.info.sigma)) < math.log(SAME_LEVEL)


def denoise(
    image: np.ndarray,
    sigma: float,
    prior: Prior,
    *,
    peak: float | None = None,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Remove white Gaussian noise from a picture.

    With a prior that was fitted on pictures of this noise level: Tweedie's formula, ``x = y + sigma^2 grad log p(y)``,
    the mean of all clean pictures that ``y`` may come from. With another prior: the most probable clean picture.

    Args:
        image: Shape (H, W) or (H, W, C); uint8, uint16 or floating point. An alpha channel is left as it is.
        sigma: Standard deviation of the noise, in the picture's own units (0-255 for 8 bit).
        prior: What pictures look like.
        peak: The picture's value of white, as in :func:`scorematching.images.to_planes`.
        device: Where to compute.
        progress: Called with the iterations done and their largest number, where it takes several.

    Returns:
        The denoised picture, with the shape, type and range of ``image``.

    Raises:
        TypeError: The picture is not an array of a known type.
        ValueError: Its shape is unknown or too small, a value is not finite, or ``sigma`` is not positive.

    Example:
        >>> import scorematching as sm
        >>> info = sm.PriorInfo("foe", 3, 8, unit=0.1, sigma=0.1, lam=0, seed=0, steps=0, data="", version="")
        >>> prior = sm.prior.build_prior(info)
        >>> sm.denoise(np.zeros((20, 30, 3), np.uint8), sigma=25.5, prior=prior).shape
        (20, 30, 3)
    """
    if not (sigma > 0 and math.isfinite(sigma)):
        raise ValueError(f"sigma must be a positive number, got {sigma}")
    planes = to_planes(image, peak)
    level = sigma / planes.peak
    y, prior = planes.data.to(device), prior.to(device)
    if is_level_of(level, prior):
        x = y + level**2 * prior.score(y)
    else:
        x = maximum_a_posteriori(y, Identity(), level, prior, start=y, progress=progress)
    return from_planes(planes, x)
