"""Noise of an image: white or correlated, estimated from wavelet coefficients and by a prior of many levels."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.images.validity import can_be_noisy, clipped_ends
from scorematching.images.wavelet_noise import level_of_planes
from scorematching.noise import CorrelatedNoise, GaussianNoise, PoissonGaussianNoise
from scorematching.priors.base import Prior, move
from scorematching.restoration.choice import PriorChoice, prior_for_planes
from scorematching.restoration.color import distinct
from scorematching.restoration.level import level_by_prior
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.octaves import kurtosis_of_removed, noise_by_octaves
from scorematching.restoration.photon_noise import estimate_photon_noise

#: Side, in pixels, of the two parts of a large image that are used.
_SIDE = 128
#: Minimum fraction of the pixels of a square that can be noisy; others are looked for if there are fewer.
_ENOUGH = 0.9
#: Ratio of the level of the second octave and that of white noise from which on noise is correlated: the first for
#: weak white noise, the second for strong, and these levels, with white at 1. The ratio is about 1 for white noise,
#: up to 3 for weak white noise in a photograph with grain, and 5 or more for developed photographs.
_RATIOS, _LEVELS = (4.0, 1.5), (2.5 / 255, 6 / 255)
#: Slope of the variance over brightness, in standard errors, from which on the noise is that of photons. It is
#: below 2 for white noise in photographs, and 9 or more for photons.
_GROWS = 6.0
#: Kurtosis of what the prior removes from which on it is texture and not noise.
_TEXTURE = 5.9
#: White level, with white at 1, below which noise may be that of texture, and is taken as white.
_FAINT = 1 / 255


@torch.no_grad()
def estimate_noise(
    image: np.ndarray,
    prior: PriorChoice = None,
    *,
    data_range: float | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> GaussianNoise | CorrelatedNoise | PoissonGaussianNoise:
    """Estimate the noise of an image: white, correlated or of photons.

    The first estimate comes from the median of the finest wavelet coefficients. It mistakes fine texture for noise. A
    prior can tell texture from noise, and finds the level at which the image is most probable.

    A camera's development, JPEG and scanners make noise of neighboring pixels similar. It is then weak in the finest
    details and strong in coarser ones. The prior therefore also looks at the image at lower resolutions, and finds the
    spectrum of the noise octave by octave. The noise counts as correlated if its second octave is much stronger
    than the white noise that the prior finds at full resolution: 4 times for weak noise, 1.5 times for strong noise.
    What the prior removes must also look Gaussian, by its kurtosis; otherwise it is texture.

    Photon noise grows with brightness. It is returned if the variance clearly does: with a slope of 6 standard errors
    (:func:`estimate_photon_noise`).

    The first estimate is returned if the prior was trained for one level only, if noise was clipped to the range of
    the file, or if the image is too small for the prior.

    Args:
        image: Image of shape (H, W) or (H, W, C), as in :func:`scorematching.images.to_planes`.
        prior: As in :func:`scorematching.denoise`.
        data_range: Value of white in the image.
        seed: Seed of the random probes.
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
    if not sigma or min(image.shape[:2]) < model.min_size or not wide:
        return GaussianNoise(planes.data_range * sigma)
    y = move(distinct(planes.data, model), model, device)
    white = _white_level(y, noisy, model, sigma, torch.Generator().manual_seed(seed))
    octaves = noise_by_octaves(y, noisy.to(y.device), model, torch.Generator().manual_seed(seed))
    ratio = float(np.interp(np.log(white), np.log(_LEVELS), _RATIOS))
    correlated = len(octaves) > 1 and float(octaves[1].diagonal().mean()) ** 0.5 > ratio * white
    if correlated and kurtosis_of_removed(y, noisy.to(y.device), model) < _TEXTURE:
        return CorrelatedNoise.from_octaves([planes.data_range**2 * np.asarray(octave.cpu()) for octave in octaves])
    if white > _FAINT:
        photons = estimate_photon_noise(image, model, data_range=data_range, seed=seed, device=device)
        if photons.slope > _GROWS and isinstance(photons.noise, PoissonGaussianNoise):
            return photons.noise
    return GaussianNoise(planes.data_range * (sigma if clipped_ends(planes.data) else white))


def _white_level(y: Tensor, noisy: Tensor, prior: Prior, sigma: float, generator: torch.Generator) -> float:
    """Return the level of white noise by a prior, from two parts of large planes."""
    arranged = prior.arrange(y)
    parts, counted = (_parts(t, noisy) for t in (arranged, noisy.to(y.device).expand_as(arranged)))
    return level_by_prior(parts, sigma, prior, generator, counted) if bool(counted.any()) else sigma


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
