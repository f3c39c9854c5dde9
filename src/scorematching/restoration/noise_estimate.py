"""The noise level of an image: the one under which a prior of many levels finds it most probable."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from scorematching.images import to_planes
from scorematching.images.wavelet_noise import estimate_noise
from scorematching.priors.base import Prior, place
from scorematching.priors.risk import residual_and_divergence
from scorematching.restoration.annealing import knows_levels
from scorematching.restoration.clipping import ends_cut

#: Side of the two parts of a large image that are looked at, in pixels.
_SIDE = 128
#: Steps at most; the last one changes the level by no more than this share.
_STEPS, _SETTLED = 10, 0.005
#: The steps of expectation maximization are short: each is made longer by this factor, in the logarithm.
_LENGTHENED = 1.5


@torch.no_grad()
def find_noise(
    image: np.ndarray,
    prior: Prior,
    *,
    data_range: float | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> float:
    """Standard deviation of white Gaussian noise in an image, in its own units (0-255 for 8 bit).

    :func:`scorematching.estimate_noise` takes fine texture for noise. A prior knows texture: from that estimate on the
    level is brought to where the image is most probable, by expectation maximization (Dempster, Laird & Rubin 1977)::

        sigma^2  <-  mean |y - x|^2 + sigma^2 mean div x,    x = y + sigma^2 grad log p(y)

    The last term is the variance that clean images have given ``y``. Where a prior knows but one level, or the range
    of the file has cut noise off, the first estimate is given.

    Args:
        image: Shape (H, W) or (H, W, C), as in :func:`scorematching.images.to_planes`.
        prior: One of many noise levels, as those that are shipped.
        data_range: The image's value of white.
        seed: Of the random probes of the divergence.
        device: Where to compute; by default where the prior is. The prior is moved there.

    Raises:
        TypeError: The image is not an array of a known type.
        ValueError: Its shape is unknown or does not fit the prior, or a value is not finite.

    Example:
        >>> import scorematching as sm
        >>> noisy = np.random.default_rng(0).normal(128, 10, (64, 64))
        >>> 9 < find_noise(noisy, sm.load_prior("natural-gray"), data_range=255) < 11
        True
    """
    first, planes = estimate_noise(image, data_range), to_planes(image, data_range)
    sigma = first / planes.data_range
    small = min(image.shape[:2]) < prior.least
    if not sigma or small or not knows_levels(prior) or ends_cut(planes.data):
        return first
    y = place(_parts(prior.seen(planes.data)), prior, device)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(_STEPS):
        residual, divergence = residual_and_divergence(y, sigma, prior, generator)
        variance = residual + sigma**2 * max(divergence, 0.0)
        before, sigma = sigma, sigma * (variance / sigma**2) ** (_LENGTHENED / 2)
        if abs(math.log(sigma / before)) < _SETTLED:
            break
    return planes.data_range * sigma


def _parts(planes: Tensor) -> Tensor:
    """Two squares of large planes, (2 N, C, 128, 128), above to the left and below to the right; small ones whole."""
    height, width = planes.shape[2:]
    if height * width <= 2 * _SIDE**2 or min(height, width) < _SIDE:
        return planes[..., : 2 * _SIDE, : 2 * _SIDE]
    corners = [((height - _SIDE) * k // 4, (width - _SIDE) * k // 4) for k in (1, 3)]
    return torch.cat([planes[..., top : top + _SIDE, left : left + _SIDE] for top, left in corners])
