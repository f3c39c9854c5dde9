"""Noise of an image: white or correlated, estimated from wavelet coefficients and by a prior of many levels."""

from __future__ import annotations

import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.images.arrays import find_own_white, find_white
from scorematching.images.sample import sampled
from scorematching.images.validity import can_be_noisy, clipped_ends, tells_level
from scorematching.images.wavelet_noise import level_of_planes
from scorematching.noise import CorrelatedNoise, GaussianNoise, PoissonGaussianNoise
from scorematching.priors.base import Prior
from scorematching.priors.devices import move
from scorematching.priors.neighbors import prior_alone
from scorematching.restoration.choice import PriorChoice, prior_for_planes
from scorematching.restoration.color import distinct
from scorematching.restoration.in_metric import is_in_metric, noise_of_prior
from scorematching.restoration.level import level_by_prior
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.octaves import correlation_of_removed, kurtosis_of_removed, noise_by_octaves
from scorematching.restoration.photon_noise import estimate_photon_noise
from scorematching.restoration.shared_noise import with_shared_noise
from scorematching.runtime.kinds import check_arguments

#: Side, in pixels, of the two parts of a large image that are used.
_SIDE = 128
#: Minimum fraction of the pixels of a square that can be noisy; others are looked for if there are fewer.
_ENOUGH = 0.9
#: Levels of white noise, with white at 1, and ratios of the level of the second octave to them, from which on noise is
#: correlated. In photographs with white noise the ratio is up to 1.3 at level 20, 2.6 at 5 to 10, and 4.6 at 2, because
#: of texture. For developed photographs it is above 8.
_LEVELS, _RATIOS = (2.5 / 255, 9 / 255), (5.0, 1.5)
#: The same for three colors, which a color prior sees together: the ratio is up to 1.15 for strong white noise.
_COLOR_LEVELS, _COLOR_RATIOS = (2.5 / 255, 8 / 255), (4.0, 1.25)
#: White level from which on noise is strong, with white at 1. Ratio from which on weaker noise is correlated whatever
#: the prior removes, and otherwise the least correlation of neighbors in it. Where texture in photographs with white
#: noise has large ratios, they are up to 6.5, and such correlations below -0.05. Developed photographs have
#: correlations above 0.08, and noise that was blurred by a pixel has ratios above 6.
_STRONG, _CLEARLY, _POSITIVE = 7 / 255, 8.0, -0.03
#: Warning if correlated noise is found.
_GRAIN = (
    "the noise that was found is correlated between pixels; grain and coarse texture of a clean photograph look like "
    "it: pass a low noise (--sigma 1) to keep them"
)
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
    than the white noise that the prior finds at full resolution: 5 times for weak noise and 1.5 times for strong,
    in color 4 times and 1.25 times.
    What the prior removes must also look Gaussian, by its kurtosis, and if the noise is weak, neighboring pixels of it
    must not be anticorrelated; otherwise it is texture. Noise that is equal in all colors looks like structure to a
    color prior, and is found by a grayscale prior (:func:`with_shared_noise`).

    Photon noise grows with brightness. It is returned if the variance clearly does (:func:`estimate_photon_noise`).

    Of an image of more than 2048 rows or columns, a sample is used (:func:`scorematching.images.sampled`).

    A warning is given if the noise is correlated, because the grain of a clean photograph looks like it.

    For a prior that sees neighbors, the noise is white or that of photons, as the prior needs.

    For a prior of correlated noise, the default prior for the colors of the image estimates the noise. If it finds
    another correlation, the noise has the correlation that the prior was trained on, the level of each channel is the
    first estimate, and channels count as independent. The levels stay within the range that the prior was trained for.

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
    check_arguments(estimate_noise, locals())
    image = sampled(image)
    planes, known = fill_missing(image, _own_white(image, data_range))
    noisy = known & can_be_noisy(planes.data)
    sigma = _first_level(planes.data, known)
    chosen = prior_for_planes(planes.data, prior)
    model = prior_alone(chosen)
    if is_in_metric(model):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that grain looks like this noise: the prior knows it
            found = estimate_noise(image, data_range=data_range, seed=seed)
        return noise_of_prior(found, distinct(planes.data, model), noisy, model, planes.data_range)
    wide = model.noise is not None and model.noise.is_wide
    if not sigma or min(image.shape[:2]) < model.min_size or not wide:
        return GaussianNoise(planes.data_range * sigma)
    y = move(distinct(planes.data, model), model, device)
    white = _white_level(y, noisy, model, sigma, torch.Generator().manual_seed(seed))
    photons = _photons(image, model, planes.data_range, seed, device) if white > _FAINT else None
    if photons is not None and white > _LEVELS[0]:  # it varies over the image, and would look correlated
        return photons
    found = GaussianNoise(planes.data_range * (sigma if clipped_ends(planes.data) else white))
    if chosen.images > 1:
        return photons or found
    octaves = noise_by_octaves(y, noisy.to(y.device), model, torch.Generator().manual_seed(seed))
    if model.config.colors == 3:
        octaves = with_shared_noise(octaves, y, noisy.to(y.device), seed)
    if _is_correlated(octaves, white) and not _is_texture(y, noisy.to(y.device), model, octaves[1], white):
        warnings.warn(_GRAIN, stacklevel=3)  # no_grad wraps this function
        return CorrelatedNoise.from_octaves([planes.data_range**2 * np.asarray(octave.cpu()) for octave in octaves])
    return photons or found


def _first_level(planes: Tensor, known: Tensor) -> float:
    """Return the noise level by wavelets. Where every pixel has a clipped channel, the channels count one by one."""
    joint = level_of_planes(planes, known & tells_level(planes))
    return joint or max(level_of_planes(plane, known & tells_level(plane)) for plane in planes.split(1))


def _is_correlated(octaves: list[Tensor], white: float) -> bool:
    """Return whether the second octave is much stronger than white noise of a level."""
    if len(octaves) < 2:
        return False
    levels, ratios = (_COLOR_LEVELS, _COLOR_RATIOS) if len(octaves[0]) == 3 else (_LEVELS, _RATIOS)
    ratio = float(np.interp(np.log(white), np.log(levels), ratios))
    return _level_of(octaves[1]) > ratio * white


def _level_of(octave: Tensor) -> float:
    """Return the noise level of an octave from its covariance, whose estimate may be negative by chance."""
    return float(octave.diagonal().mean().clamp_min(0)) ** 0.5


def _is_texture(y: Tensor, noisy: Tensor, prior: Prior, second: Tensor, white: float) -> bool:
    """Return whether the prior removes texture at half the resolution, where the second octave has a covariance."""
    if kurtosis_of_removed(y, noisy, prior) >= _TEXTURE:
        return True
    level = _level_of(second)
    if white > _STRONG or level > _CLEARLY * white:
        return False
    return correlation_of_removed(y, noisy, prior, level / 2) < _POSITIVE


def _photons(
    image: np.ndarray, prior: Prior, data_range: float, seed: int, device: str | torch.device | None
) -> PoissonGaussianNoise | None:
    """Return the noise of photons, if the noise clearly grows with brightness."""
    found = estimate_photon_noise(image, prior, data_range=data_range, seed=seed, device=device)
    noise = found.noise
    return noise if isinstance(noise, PoissonGaussianNoise) and found.depends_on_brightness else None


def _own_white(image: np.ndarray, data_range: float | None) -> float | None:
    """Return the value of white that a 16-bit image uses, if it is below the given one: its range tells noise."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint16:
        return data_range
    return min(find_own_white(image), find_white(image, data_range))


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
