"""Super-resolution: a large image that is probable and shrinks to the given one."""

from __future__ import annotations

import numpy as np
import torch

from scorematching.images import to_planes
from scorematching.priors.base import Prior
from scorematching.restoration.convergence import Monitor
from scorematching.restoration.inverse import RestorationMethod, restore
from scorematching.restoration.operators import BicubicDownsampling
from scorematching.runtime.progress import Step


def upscale(
    image: np.ndarray,
    factor: int,
    prior: Prior,
    *,
    sigma: float | None = None,
    method: RestorationMethod = "auto",
    steps: int | None = None,
    seed: int = 0,
    data_range: float | None = None,
    device: str | torch.device | None = None,
    progress: Step | None = None,
    monitor: Monitor | None = None,
) -> np.ndarray:
    """Enlarge an image: :func:`restore` with bicubic down-sampling, from the bicubic interpolation on.

    Args:
        image: Shape (H, W) or (H, W, C); uint8, uint16 or floating point. An alpha channel is enlarged without MAP.
        factor: How many times larger, 2 or more.
        prior: What images look like.
        sigma: Standard deviation of the noise in the image, in its own units; 1/255 of white if not given.
        method: As in :func:`restore`.
        steps: As in :func:`restore`.
        seed: As in :func:`restore`.
        data_range: The image's value of white, as in :func:`scorematching.images.to_planes`.
        device: Where to compute; by default where the prior is. The prior is moved there.
        progress: As in :func:`restore`.
        monitor: As in :func:`restore`.

    Returns:
        The large image, (factor H, factor W) or (factor H, factor W, C), with the type and range of ``image``.

    Raises:
        TypeError: The image is not an array of a known type.
        ValueError: Its shape is unknown or too small, a value is not finite, or an option is out of its range.

    Example:
        >>> import scorematching as sm
        >>> info = sm.priors.PriorInfo("foe", 3, 8, unit=0.1, sigma=0.1, lam=0, seed=0, steps=0, data="", version="")
        >>> prior = sm.priors.kinds.build_prior(info)
        >>> sm.upscale(np.zeros((10, 12), np.uint8), factor=2, prior=prior, steps=2).shape
        (20, 24)
    """
    if factor != int(factor) or factor < 2:
        raise ValueError(f"factor must be a whole number of 2 or more, got {factor}")
    to_planes(image, data_range)  # raises where it is no image
    operator = BicubicDownsampling(int(factor), (int(factor) * image.shape[0], int(factor) * image.shape[1]))
    return restore(
        image,
        operator,
        prior,
        sigma=sigma,
        method=method,
        steps=steps,
        seed=seed,
        data_range=data_range,
        device=device,
        progress=progress,
        monitor=monitor,
    )
