"""Denoising: Tweedie's formula with a prior of noisy images, MAP with one of clean images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from scorematching.images import from_planes, to_planes
from scorematching.noise.poisson_gaussian import Stabilizer, camera_noise
from scorematching.priors.base import Prior, place
from scorematching.restoration.clipping import ends_cut, unclipped
from scorematching.restoration.color import distinct, posterior_mean
from scorematching.restoration.map_estimate import maximum_a_posteriori
from scorematching.restoration.operators import Identity
from scorematching.runtime.arguments import check_choice, check_positive
from scorematching.runtime.progress import Step, share

Method = Literal["auto", "tweedie", "map"]


def denoise(
    image: np.ndarray,
    sigma: float,
    prior: Prior,
    *,
    gain: float | None = None,
    offset: float = 0.0,
    method: Method = "auto",
    self_ensemble: bool = False,
    data_range: float | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: Step | None = None,
) -> np.ndarray:
    """Remove white Gaussian noise from an image, or the noise of photons.

    With a prior of noisy images: Tweedie's formula, ``x = y + sigma^2 grad log p(y)``, the mean of all clean
    images that ``y`` may come from. It holds at the prior's own noise level. For another level the contrast of
    ``y`` is rescaled so that its noise is of the prior's level, and scaled back: an approximation, good as far as
    images look alike at another contrast. With a prior of clean images: the most probable clean image (MAP).

    Priors of colors see red, green and blue together. For others colors are taken apart into luminance and color
    differences, whose noise is as white and of the same level.

    Where the range of the file has cut the noise off, in blacks and whites, Tweedie's formula is used twice: pixels at
    an end of the range get noise beyond it back (:func:`scorematching.restoration.unclipped`), given the first result.
    They stay within the range.

    With ``gain`` the noise is that of a camera in low light, which grows with brightness: the noise of counting photons
    and of reading the count. A transform makes it Gaussian and of one level
    (:class:`scorematching.noise.PoissonGaussianNoise`); in the dark, missing noise is added, the same each time. The
    result is transformed back by the exact unbiased inverse.

    A trained prior is not exactly equivariant to turns and mirrorings: ``self_ensemble`` averages the results of all
    eight orientations, for eight times the work.

    Args:
        image: Shape (H, W) or (H, W, C); uint8, uint16 or floating point. An alpha channel is left as it is.
        sigma: Standard deviation of the noise, in the image's own units (0-255 for 8 bit); with ``gain`` that of the
            read noise alone, which may be 0.
        prior: What images look like.
        gain: What a photon adds to a pixel, in the image's own units; by default noise does not grow with brightness.
        offset: With ``gain``, the pixel value of no light at all.
        method: ``"tweedie"``, ``"map"``, or ``"auto"`` for what suits the prior.
        self_ensemble: Whether to denoise all turns and mirrorings of the image, and to take the mean.
        data_range: The image's value of white, as in :func:`scorematching.images.to_planes`.
        seed: Of what is drawn for pixels that were cut off.
        device: Where to compute; by default where the prior is. The prior is moved there.
        progress: Called with the steps done and their (largest) number.

    Returns:
        The denoised image, with the shape, type and range of ``image``.

    Raises:
        TypeError: The image is not an array of a known type.
        ValueError: Its shape is unknown or too small, a value is not finite, ``sigma`` is not positive (without
            ``gain``) or negative (with it), ``gain`` is not positive, ``offset`` comes without it or lies not below
            white, the image is gray and the prior one of colors, or Tweedie's formula is asked for with a prior of
            clean images.

    Example:
        >>> import scorematching as sm
        >>> info = sm.priors.PriorInfo("foe", 3, 8, unit=0.1, sigma=0.1, lam=0, seed=0, steps=0, data="", version="")
        >>> prior = sm.priors.kinds.build_prior(info)
        >>> sm.denoise(np.zeros((20, 30, 3), np.uint8), sigma=25.5, prior=prior).shape
        (20, 30, 3)
        >>> counts = np.random.default_rng(0).poisson(7.0, (20, 30)).astype(np.float32)
        >>> bool(sm.denoise(counts, sigma=0, prior=prior, gain=1, data_range=20).std() < counts.std() / 2)
        True
    """
    noise = camera_noise(sigma, gain, offset)
    if noise is None:
        check_positive("sigma", sigma)
    check_choice("method", method, get_args(Method))
    planes = to_planes(image, data_range)

    def clean(y: Tensor, level: float) -> Tensor:
        y = place(y, prior, device)
        return _over_turns(y, level, once, progress) if self_ensemble else once(y, level, progress)

    def once(y: Tensor, level: float, progress: Step | None) -> Tensor:
        if method == "map" or (method == "auto" and not prior.info.sigma):
            monitor = None if progress is None else lambda state: progress(state.step, state.steps)
            return maximum_a_posteriori(y, Identity(), level, prior, start=y, monitor=monitor)
        return _mean(y, level, prior, seed, progress)

    y = distinct(planes.data)
    if noise is None:
        x = clean(y, sigma / planes.data_range)
    else:
        stabilizer = Stabilizer(noise, planes.data_range)
        x = stabilizer.inverse(clean(stabilizer.forward(y), stabilizer.level))
    return from_planes(planes, x.expand_as(planes.data))


def _over_turns(
    y: Tensor, level: float, once: Callable[[Tensor, float, Step | None], Tensor], progress: Step | None
) -> Tensor:
    """The mean of what is made of the eight turns and mirrorings of planes, each brought back."""
    total = torch.zeros_like(y)
    for number in range(8):
        quarters = number % 4
        turned = torch.rot90(y, quarters, (2, 3))
        turned = (turned if number < 4 else turned.flip(3)).contiguous()
        x = once(turned, level, share(progress, number, number + 1, parts=8))
        total += torch.rot90(x if number < 4 else x.flip(3), -quarters, (2, 3))
    return total / 8


def _mean(y: Tensor, level: float, prior: Prior, seed: int, progress: Step | None) -> Tensor:
    """Tweedie's formula, once more where the range has cut the noise off."""
    if not ends_cut(y):
        return posterior_mean(y, level, prior, progress)
    x = posterior_mean(y, level, prior, share(progress, 0, 1, parts=2))
    noisy = unclipped(y, x, level, torch.Generator().manual_seed(seed))
    x = posterior_mean(noisy, level, prior, share(progress, 1, 2, parts=2))
    return torch.where(noisy == y, x, x.clamp(0, 1))
