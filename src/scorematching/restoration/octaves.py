"""Spectrum of the noise of an image, octave by octave, by a prior."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.images.wavelet_noise import level_of_planes
from scorematching.noise import CorrelatedNoise
from scorematching.priors.base import Prior
from scorematching.restoration.color import posterior_mean
from scorematching.restoration.level import level_by_prior

#: Maximum number of octaves, and maximum side of the piece of an image that is used of each, in its own pixels.
_OCTAVES, _SIDE = 4, 256
#: Minimum fraction of the pixels of a piece that can be noisy. If there are fewer, the spectrum is not looked for.
_ENOUGH = 0.1
#: Noise level at which an image is denoised, as a fraction of the root of the largest spectral density.
_LEVEL = 0.7
#: Step of the finite difference along a draw of the noise.
_STEP = 0.3
#: Noise level, with white at 1, at which it is checked whether what is removed is noise.
_CHECKED = 6 / 255
#: Least first guess of the noise level, with white at 1.
_LEAST = 1e-4


def noise_by_octaves(y: Tensor, noisy: Tensor, prior: Prior, generator: torch.Generator) -> list[Tensor]:
    """Estimate the covariance of the channels in each octave of the noise, highest frequencies first.

    An image averaged over squares of 2^k pixels shows the octaves below 2^-k of its noise. Neighbors far apart are
    hardly correlated, so that at the coarsest scale the noise is white, and expectation maximization finds its level.
    Each finer scale adds one octave. With noise as strong there as in the octave below, one step of expectation
    maximization gives its covariance::

        Sigma  <-  cov r + cov(J n, n),    r = y - D(y),    n ~ N(0, Sigma)

    ``J n`` is the change of the denoised image ``D(y)`` along ``n``: ``J Sigma`` is the covariance of the clean images
    given ``y``. More steps fit the image instead of the noise.

    Args:
        y: Planes of one image, (C, 1, H, W), with white at 1.
        noisy: Pixels that can be noisy, shape (H, W).
        prior: A prior of many noise levels.
        generator: Random number generator of the draws.

    Returns:
        Spectral densities, (C, C), with white at 1. There is one if the image is too small for more, and none if too
        few pixels in its middle can be noisy.
    """
    found: list[Tensor] = []
    pieces = list(_scales(y, noisy, prior))
    if not pieces or pieces[-1][2] != 1:
        return found
    for piece, mask, scale in pieces:
        if not found:
            guess = max(level_of_planes(piece.cpu(), mask.cpu()), _LEAST)
            level = level_by_prior(prior.arrange(piece), guess, prior, generator, prior.arrange(mask.expand_as(piece)))
            residual = (piece - posterior_mean(piece, level, prior))[:, 0, mask]
            channels = residual @ residual.T
            found = [scale**2 * level**2 * channels / channels.diagonal().mean()]
        else:
            found = [_octave(piece, mask, scale, found, prior, generator), *found]
    return found


def kurtosis_of_removed(y: Tensor, noisy: Tensor, prior: Prior) -> float:
    """Return the kurtosis of what a prior removes at half the resolution, at level 6/255.

    It is 3 for Gaussian noise, below 5.9 for the noise of nearly all photographs, and above where texture is removed.

    Args:
        y: Planes, as in :func:`noise_by_octaves`.
        noisy: Pixels that can be noisy, shape (H, W).
        prior: A prior of many noise levels.
    """
    removed, mask = _removed(y, noisy, prior, _CHECKED)
    counted = removed[..., mask].double()
    return float(counted.pow(4).mean() / counted.square().mean().square().clamp_min(1e-30))


def correlation_of_removed(y: Tensor, noisy: Tensor, prior: Prior, level: float) -> float:
    """Return the correlation of neighboring pixels of what a prior removes at half the resolution.

    It is positive for noise of a camera, and negative for texture, of which a prior removes what it takes for noise.

    Args:
        y: Planes, as in :func:`noise_by_octaves`.
        noisy: Pixels that can be noisy, shape (H, W).
        prior: A prior of many noise levels.
        level: Noise level at half the resolution, with white at 1.
    """
    removed, mask = _removed(y, noisy, prior, level)
    flat = torch.where(mask, removed - removed[..., mask].mean(), 0.0)
    products = sum(float((flat * flat.roll(1, dim)).sum()) for dim in (2, 3))
    return products / 2 / max(float(flat.square().sum()), 1e-30)


def _removed(y: Tensor, noisy: Tensor, prior: Prior, level: float) -> tuple[Tensor, Tensor]:
    """Return what a prior removes at half the resolution, and which pixels can be noisy."""
    *_, (piece, mask, _), _ = _scales(y, noisy, prior)
    return piece - posterior_mean(piece, level, prior), mask


def _scales(y: Tensor, noisy: Tensor, prior: Prior) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Yield the middle of the image at each scale, coarsest first, its pixels that can be noisy, and the scale."""
    for octave in reversed(range(_OCTAVES)):
        scale = 2**octave
        if octave and min(y.shape[2:]) // scale < prior.min_size:
            continue
        planes = F.avg_pool2d(y, scale)
        mask = F.avg_pool2d(noisy[None, None].to(y), scale)[0, 0] == 1
        down, across = (slice((n - min(n, _SIDE)) // 2, (n + min(n, _SIDE)) // 2) for n in planes.shape[2:])
        if float(mask[down, across].float().mean()) < _ENOUGH:
            return
        yield planes[..., down, across].contiguous(), mask[down, across], scale


def _octave(
    y: Tensor, mask: Tensor, scale: int, lower: list[Tensor], prior: Prior, generator: torch.Generator
) -> Tensor:
    """Return the covariance of the channels in the highest octave of a scale, given those of the lower ones."""
    noise = CorrelatedNoise.from_octaves([np.asarray(density.cpu()) / scale**2 for density in [lower[0], *lower]])
    level = _LEVEL * noise.covariance(y, 1.0).level
    seed = int(torch.randint(2**31, (), generator=generator))
    shape = (*y.shape[2:], len(y))
    draw = torch.from_numpy(np.moveaxis(noise.simulate(np.zeros(shape), seed), 2, 0).copy())[:, None].to(y)
    x, ahead = (posterior_mean(near, level, prior) for near in (y, y + _STEP * draw))
    residual, change, drawn = (_highest(planes, mask) for planes in (y - x, (ahead - x) / _STEP, draw))
    left, posterior = residual @ residual.mH, change @ drawn.mH
    return scale**2 * (left + (posterior + posterior.mH) / 2).real


def _highest(planes: Tensor, mask: Tensor) -> Tensor:
    """Return the Fourier coefficients of the highest octave, (C, K). Their squares sum to the spectral density."""
    height, width = planes.shape[2:]
    window = torch.hann_window(height, False)[:, None] * torch.hann_window(width, False) * mask.cpu()
    window = (window / window.square().sum().sqrt()).to(planes)
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])
    chosen = (frequency >= 0.25) & (frequency < 0.5)
    coefficients = torch.fft.rfft2(window * planes[:, 0])[:, chosen.to(planes.device)]
    return coefficients / coefficients.shape[1] ** 0.5
