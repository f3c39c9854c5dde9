"""Denoisers of other libraries for real and simulated noise: BM3D and Noise2VST. Both are optional."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import scorematching as sm
from scorematching.cli.console import errors
from scorematching.images.arrays import from_planes, to_planes
from scorematching.noise import GaussianNoise, NoiseModel
from scorematching.priors.posterior import tweedie

#: Method that denoises an image on the 0-255 scale, given the estimated noise, and the clean image for best levels.
Denoiser = Callable[[np.ndarray, NoiseModel, np.ndarray], np.ndarray]
#: Noise level at which Noise2VST calls its denoiser, with white at 1.
_LEVEL = 25 / 255
#: Prior that Noise2VST is fitted with. It is fast, and sees each channel by itself.
_FITTED_WITH = "natural-gray-small"


def installed(name: str, install: str) -> bool:
    """Return whether a module can be imported; if not, print how to install it."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        errors.print(f"{name.partition('.')[0]} is not installed and is left out: {install}")
        return False
    return True


def at_best_level(denoise: Callable[[np.ndarray, float], np.ndarray], levels: tuple[float, ...]) -> Denoiser:
    """Return a method that tries noise levels, and keeps the result with the best PSNR."""

    def method(noisy: np.ndarray, _: NoiseModel, clean: np.ndarray) -> np.ndarray:
        return max((denoise(noisy, level) for level in levels), key=lambda x: sm.psnr(clean, x, data_range=255))

    return method


def bm3d(noisy: np.ndarray, noise: float | np.ndarray) -> np.ndarray:
    """Return the result of BM3D on the 0-255 scale, for a noise level or a spectral density as in :func:`spectrum`."""
    import bm3d as library  # may be missing

    vars(np).setdefault("trapz", np.trapezoid)  # bm3d 4.0.3 uses the name before NumPy 2.4
    run = library.bm3d_rgb if noisy.ndim == 3 else library.bm3d
    return 255 * run(noisy.astype(np.float64) / 255, noise / 255**2 if isinstance(noise, np.ndarray) else noise / 255)


def bm3d_with_noise(noisy: np.ndarray, noise: NoiseModel) -> np.ndarray:
    """Return the result of BM3D for a noise model: a level, a spectrum, or photons after the Anscombe transform."""
    if isinstance(noise, GaussianNoise):
        return bm3d(noisy, noise.sigma)
    stabilizer = noise.stabilizer(255.0)
    if stabilizer is None:
        return bm3d(noisy, spectrum(noise, noisy))
    planes = to_planes(noisy.astype(np.float64), 255.0)
    stable = from_planes(planes, stabilizer.forward(planes.data))
    found = bm3d(stable, 255 * stabilizer.level)
    return from_planes(planes, stabilizer.inverse(to_planes(found, 255.0).data))


def spectrum(noise: NoiseModel, image: np.ndarray) -> np.ndarray:
    """Return the spectral density of each channel, times the number of pixels as BM3D counts it, (H, W[, 3])."""
    planes = to_planes(image, 255.0).data
    impulse = torch.zeros_like(planes)
    impulse[..., planes.shape[2] // 2, planes.shape[3] // 2] = 1
    channels = []
    for channel in range(len(planes)):
        alone = torch.zeros_like(planes)
        alone[channel] = impulse[channel]
        row = noise.covariance(planes, 1.0).apply(alone)[channel, 0]
        channels.append(np.abs(np.fft.fft2(row.numpy())) * row.numel())
    return np.stack(channels, 2).reshape(image.shape)


def noise2vst(prior: sm.Prior) -> Denoiser:
    """Return Noise2VST (Herbreteau & Unser 2025) around a prior, with its default options.

    It fits a map of pixel values to the noisy image, such that a denoiser of white noise of level 25/255 predicts
    hidden pixels best. As its README suggests, a fast denoiser serves for the fit, here ``natural-gray-small`` for each
    channel, and a better one, ``prior``, for the result. The weights of its own denoisers are not in its package.
    """
    fitted_with = sm.load_prior(_FITTED_WITH).requires_grad_(False)

    def method(noisy: np.ndarray, _: NoiseModel, __: np.ndarray) -> np.ndarray:
        from noise2vst.models.noise2vst import Noise2VST  # type: ignore[import-not-found,import-untyped,unused-ignore]  # optional

        random.seed(0)  # its crops
        planes = to_planes(noisy, 255.0)
        y = planes.data.transpose(0, 1)
        model: Any = Noise2VST()
        model.fit(y, lambda x: _denoised(fitted_with, x))
        with torch.no_grad():
            found = model(y, lambda x: _denoised(prior, x))
        return from_planes(planes, found.transpose(0, 1))

    return method


def _denoised(prior: sm.Prior, x: Tensor) -> Tensor:
    """Remove noise of level 25/255 from images, (N, C, H, W), by Tweedie's formula. Differentiable with respect to x.

    The darkest value is moved to 0, since the transform may move it anywhere.
    """
    black = x.detach().min()
    y = (x - black).reshape(-1, prior.config.colors, *x.shape[2:])
    if not torch.is_grad_enabled():
        return tweedie(y, _LEVEL, prior).view_as(x) + black
    bottom, right = (prior.margin - n % -prior.block for n in y.shape[2:])
    padded = F.pad(y, [prior.margin, right, prior.margin, bottom], mode="reflect") / _LEVEL
    (gradient,) = torch.autograd.grad(prior.energy(padded).sum(), padded, create_graph=True)
    own = gradient[..., prior.margin : prior.margin + y.shape[2], prior.margin : prior.margin + y.shape[3]]
    return (y - _LEVEL * own).view_as(x) + black
