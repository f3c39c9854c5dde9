"""Super-resolution: a large picture that is probable and shrinks to the given one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.images import from_planes, to_planes
from scorematching.prior import Prior, place
from scorematching.restoration.map import maximum_a_posteriori
from scorematching.restoration.operators import BicubicDownsampling


def upscale(
    image: np.ndarray,
    factor: int,
    prior: Prior,
    *,
    sigma: float | None = None,
    steps: int = 30,
    peak: float | None = None,
    device: str | torch.device | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Enlarge a picture by MAP: ``|A x - y|^2 / (2 sigma^2) + E(x)`` is lowered, A being bicubic down-sampling.

    The energy is not convex, and that of noisy pictures not always bounded below: what is found is the minimum whose
    basin the bicubic interpolation lies in.

    Args:
        image: Shape (H, W) or (H, W, C); uint8, uint16 or floating point. An alpha channel is enlarged without MAP.
        factor: How many times larger, 2 or more.
        prior: What pictures look like.
        sigma: Standard deviation of the noise in the picture, in its own units; 1/255 of white if not given.
        steps: Iterations at most.
        peak: The picture's value of white, as in :func:`scorematching.images.to_planes`.
        device: Where to compute; by default where the prior is. The prior is moved there.
        progress: Called with the iterations done and ``steps``.

    Returns:
        The large picture, (factor H, factor W) or (factor H, factor W, C), with the type and range of ``image``.

    Raises:
        TypeError: The picture is not an array of a known type.
        ValueError: Its shape is unknown or too small, a value is not finite, or an option is out of its range.

    Example:
        >>> import scorematching as sm
        >>> info = sm.PriorInfo("foe", 3, 8, unit=0.1, sigma=0.1, lam=0, seed=0, steps=0, data="", version="")
        >>> prior = sm.prior.build_prior(info)
        >>> sm.upscale(np.zeros((10, 12), np.uint8), factor=2, prior=prior, steps=2).shape
        (20, 24)
    """
    if factor != int(factor) or factor < 2:
        raise ValueError(f"factor must be a whole number of 2 or more, got {factor}")
    if sigma is not None and not (sigma > 0 and math.isfinite(sigma)):
        raise ValueError(f"sigma must be a positive number, got {sigma}")
    planes = to_planes(image, peak)
    level = sigma / planes.peak if sigma is not None else 1 / 255
    y = place(planes.data, prior, device)
    start = bicubic_upscale(y, int(factor))
    operator = BicubicDownsampling(int(factor), (start.shape[2], start.shape[3]))
    x = maximum_a_posteriori(y, operator, level, prior, start, steps, progress)
    return from_planes(planes, x)


def bicubic_upscale(planes: Tensor, factor: int) -> Tensor:
    """Bicubic interpolation of planes (a = -1/2): (N, 1, H, W) to (N, 1, factor H, factor W)."""
    return F.interpolate(planes, scale_factor=factor, mode="bicubic", antialias=True, align_corners=False)
