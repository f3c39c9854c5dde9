"""Denoising: Tweedie's formula with a prior of noisy images, MAP with a prior of clean images."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from scorematching.images.arrays import from_planes, to_planes
from scorematching.noise import NoiseModel, as_noise_model
from scorematching.priors.base import Prior, move
from scorematching.restoration.choice import PriorChoice, prior_for
from scorematching.restoration.clipping import ends_cut, unclipped
from scorematching.restoration.color import distinct, posterior_mean
from scorematching.restoration.map_estimate import maximum_a_posteriori
from scorematching.restoration.noise_estimate import estimate_noise
from scorematching.restoration.operators import Identity
from scorematching.runtime.arguments import check_choice
from scorematching.runtime.progress import ProgressCallback, subtask

Method = Literal["auto", "tweedie", "map"]
#: Planes, their noise level, and a progress callback; returns the denoised planes.
_Denoiser = Callable[[Tensor, float, ProgressCallback | None], Tensor]


def denoise(
    image: np.ndarray,
    noise: float | NoiseModel | None = None,
    prior: PriorChoice = None,
    *,
    method: Method = "auto",
    self_ensemble: bool = False,
    data_range: float | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: ProgressCallback | None = None,
) -> np.ndarray:
    """Remove white Gaussian noise, or the noise of photons, from an image.

    With a prior of noisy images, Tweedie's formula gives the mean of all clean images that ``y`` may come from:
    ``x = y + sigma^2 grad log p(y)``. It holds at the prior's own noise level. For another level the contrast of ``y``
    is rescaled so that its noise has the prior's level: an approximation, good as far as images look alike at another
    contrast. With a prior of clean images the result is the most probable clean image (MAP).

    A prior of color images sees red, green and blue together. Other priors see luminance and two color differences,
    whose noise is as white and of the same level.

    Where the range of the file has clipped the noise, in blacks and whites, Tweedie's formula is applied twice: after
    the first pass, clipped pixels get back the noise beyond the range, given the first result
    (:func:`scorematching.restoration.unclipped`). The result stays within the range.

    Poisson-Gaussian noise is brought to white noise of one level by the generalized Anscombe transform; in the dark,
    missing noise is added, always the same. The result is transformed back by the exact unbiased inverse.

    Args:
        image: Shape (H, W) or (H, W, C); uint8, uint16 or floating point. An alpha channel is left as it is.
        noise: The noise, in the units of the image (0-255 for 8 bit): a standard deviation or a noise model. By default
            it is estimated from the image (:func:`scorematching.estimate_noise`). At level 0 a copy of the image is
            returned, with a warning.
        prior: A prior, the name of one that comes with this library, or a file. By default ``"natural-color"`` for
            images with colors and ``"natural-gray"`` for others.
        method: ``"tweedie"``, ``"map"``, or ``"auto"`` for the one that suits the prior.
        self_ensemble: Whether to average the results of all eight turns and mirrorings of the image: a little better,
            eight times the time. (A trained prior is not exactly equivariant.)
        data_range: The image's value of white, as in :func:`scorematching.images.to_planes`.
        seed: Seed of the noise that is given back to clipped pixels, and of the noise estimate.
        device: Device to compute on, to which the prior is moved; by default the prior's.
        progress: Called after each step.

    Returns:
        The denoised image, with the shape, type and range of ``image``.

    Raises:
        FileNotFoundError: There is no such prior.
        TypeError: The image has an unknown type, or ``noise`` or ``prior`` is of the wrong type.
        ValueError: The image's shape is unknown or too small, a value is not finite, ``noise`` is not above 0, the
            image is grayscale and the prior for color, or the method does not suit the prior.

    Example:
        >>> import scorematching as sm
        >>> noisy = sm.GaussianNoise(25).simulate(np.full((48, 64), 128.0))
        >>> clean = sm.denoise(noisy, data_range=255)
        >>> bool(np.abs(clean - 128).mean() < 5)
        True

        In low light, with a prior that was not trained:

        >>> prior = sm.priors.FieldPrior(sm.FieldConfig(filters=8, size=3), noise=0.1)
        >>> photons = sm.PoissonGaussianNoise(gain=1.0)
        >>> counts = photons.simulate(np.full((20, 30), 7.0))
        >>> bool(sm.denoise(counts, photons, prior, data_range=20).std() < counts.std() / 2)
        True
    """
    check_choice("method", method, get_args(Method))
    planes = to_planes(image, data_range)
    prior = prior_for(image, prior)
    if noise is None:
        model: NoiseModel = estimate_noise(image, prior, data_range=data_range, seed=seed, device=device)
    else:
        model = as_noise_model(noise)
    stabilizer = model.stabilizer(planes.data_range)
    if not stabilizer.level:
        warnings.warn(
            "the noise level is 0, so the image is returned unchanged: give noise to denoise it", stacklevel=2
        )
        return image.copy()
    y = distinct(planes.data)
    prior.check_size(*y.shape[2:])
    prior.arrange(y)  # raises for grayscale images where the prior is for color
    once = _denoiser(method, prior, seed)
    stabilized = move(stabilizer.forward(y), prior, device)
    x = (_averaged_over_turns if self_ensemble else _applied)(once, stabilized, stabilizer.level, progress)
    return from_planes(planes, stabilizer.inverse(x).expand_as(planes.data))


def _denoiser(method: Method, prior: Prior, seed: int) -> _Denoiser:
    """Return the chosen method."""
    if method == "map" or (method == "auto" and prior.noise is None):

        def most_probable(y: Tensor, level: float, progress: ProgressCallback | None) -> Tensor:
            return maximum_a_posteriori(y, Identity(), level, prior, start=y, progress=progress)

        return most_probable
    return partial(_mean, prior, seed)


def _applied(once: _Denoiser, y: Tensor, level: float, progress: ProgressCallback | None) -> Tensor:
    return once(y, level, progress)


def _averaged_over_turns(once: _Denoiser, y: Tensor, level: float, progress: ProgressCallback | None) -> Tensor:
    """Return the mean over the results of all eight turns and mirrorings, each turned back."""
    total = torch.zeros_like(y)
    for number in range(8):
        quarters = number % 4
        turned = torch.rot90(y, quarters, (2, 3))
        turned = (turned if number < 4 else turned.flip(3)).contiguous()
        x = once(turned, level, subtask(progress, number, number + 1, parts=8))
        total += torch.rot90(x if number < 4 else x.flip(3), -quarters, (2, 3))
    return total / 8


def _mean(prior: Prior, seed: int, y: Tensor, level: float, progress: ProgressCallback | None) -> Tensor:
    """Apply Tweedie's formula; a second time where the range has clipped the noise."""
    if not ends_cut(y):
        return posterior_mean(y, level, prior, progress)
    x = posterior_mean(y, level, prior, subtask(progress, 0, 1, parts=2))
    noisy = unclipped(y, x, level, torch.Generator().manual_seed(seed))
    x = posterior_mean(noisy, level, prior, subtask(progress, 1, 2, parts=2))
    return torch.where(noisy == y, x, x.clamp(0, 1))
