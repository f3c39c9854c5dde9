"""Noise level of an image: estimated from its wavelet coefficients, and refined by a prior of many levels."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.images.validity import can_be_noisy, clipped_ends
from scorematching.images.wavelet_noise import level_of_planes
from scorematching.noise import GaussianNoise
from scorematching.priors.base import move
from scorematching.priors.stein_risk import residual_and_divergence
from scorematching.restoration.choice import PriorChoice, prior_for_planes
from scorematching.restoration.missing import fill_missing

#: Side, in pixels, of the two parts of a large image that are used.
_SIDE = 128
#: Minimum fraction of the pixels of a square that can be noisy; others are looked for if there are fewer.
_ENOUGH = 0.9
#: Maximum number of steps, and the relative change of the level at which they end.
_STEPS, _SETTLED = 10, 0.005
#: Factor that lengthens the steps of expectation maximization, in the logarithm of the level. They are too short.
_LENGTHENED = 1.5


@torch.no_grad()
def estimate_noise(
    image: np.ndarray,
    prior: PriorChoice = None,
    *,
    data_range: float | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> GaussianNoise:
    """Estimate the level of white Gaussian noise in an image.

    The first estimate comes from the median of the finest wavelet coefficients. It mistakes fine texture for noise. A
    prior can tell texture from noise. Expectation maximization (Dempster, Laird & Rubin 1977) then looks for the level
    at which the image is most probable under the prior::

        sigma^2  <-  mean |y - x|^2 + sigma^2 mean div x,    x = y + sigma^2 grad log p(y)

    The term with ``div x`` is the variance of the clean images given ``y``. The first estimate is returned if the prior
    was trained for one level only, if noise was clipped to the range of the file, or if the image is too small for the
    prior.

    Args:
        image: Image of shape (H, W) or (H, W, C), as in :func:`scorematching.images.to_planes`.
        prior: As in :func:`scorematching.denoise`.
        data_range: Value of white in the image.
        seed: Seed of the random probes of the divergence.
        device: Device to compute on; the prior is moved there. By default the device of the prior.

    Returns:
        The noise, in the units of the image (0-255 for 8 bit). Its ``sigma`` is 0 if no noise is found.

    Raises:
        FileNotFoundError: There is no such prior.
        TypeError: The type of the image is not supported.
        ValueError: The shape of the image is not supported or does not fit the prior, or a value is not finite.

    Example:
        >>> noisy = GaussianNoise(10).simulate(np.full((64, 64), 128.0))
        >>> 9 < estimate_noise(noisy, "natural-gray", data_range=255).sigma < 11
        True
    """
    planes, known = fill_missing(image, data_range)
    noisy = known & can_be_noisy(planes.data)
    sigma = level_of_planes(planes.data, noisy)
    model = prior_for_planes(planes.data, prior)
    wide = model.noise is not None and model.noise.is_wide
    if not sigma or min(image.shape[:2]) < model.min_size or not wide or clipped_ends(planes.data):
        return GaussianNoise(planes.data_range * sigma)
    arranged = model.arrange(planes.data)
    y, counted = (_parts(t, noisy) for t in (arranged, noisy.expand_as(arranged)))
    if not bool(counted.any()):
        return GaussianNoise(planes.data_range * sigma)
    y, counted = move(y, model, device), counted.to(next(model.parameters()).device)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(_STEPS):
        residual, divergence = residual_and_divergence(y, sigma, model, generator, counted)
        variance = residual + sigma**2 * max(divergence, 0.0)
        before, sigma = sigma, sigma * (variance / sigma**2) ** (_LENGTHENED / 2)
        if abs(math.log(sigma / before)) < _SETTLED:
            break
    return GaussianNoise(planes.data_range * sigma)


def _parts(planes: Tensor, noisy: Tensor) -> Tensor:
    """Return two squares of large planes, (2 N, C, 128, 128), or all of small planes.

    The squares are at upper left and lower right, or where most pixels can be noisy, shape (H, W), if too few can be
    there.
    """
    height, width = planes.shape[2:]
    if height * width <= 2 * _SIDE**2 or min(height, width) < _SIDE:
        return planes[..., : 2 * _SIDE, : 2 * _SIDE]
    corners = [((height - _SIDE) * k // 4, (width - _SIDE) * k // 4) for k in (1, 3)]
    share = F.avg_pool2d(noisy[None, None].float(), _SIDE, _SIDE // 4)[0, 0]
    if min(float(noisy[top : top + _SIDE, left : left + _SIDE].float().mean()) for top, left in corners) < _ENOUGH:
        best = share.flatten().argsort(descending=True, stable=True)[:2].tolist()
        corners = [(_SIDE // 4 * (k // share.shape[1]), _SIDE // 4 * (k % share.shape[1])) for k in best]
    return torch.cat([planes[..., top : top + _SIDE, left : left + _SIDE] for top, left in corners])
