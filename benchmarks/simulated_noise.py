"""Simulated noise of cameras: white noise, photons, correlated noise, JPEG files, and a Bayer mosaic."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter

import scorematching as sm
from scorematching.noise import NoiseModel

#: Levels of white noise.
_WHITE_LEVELS = (2, 5, 10, 25, 50)
#: Number of photons in a white pixel; read noise in photons.
_PHOTONS, _READ = (20, 100), 1.0
#: Standard deviations of the Gaussians that blur white noise, in pixels, and its level after that.
_BLURS, _BLURRED_LEVEL = (0.5, 1.0, 1.5), 15.0
#: Qualities of JPEG files, and levels of the white noise before.
_QUALITIES, _JPEG_LEVELS = (80, 95), (10, 20)
#: Level of the noise of a Bayer mosaic.
_BAYER_LEVEL = 10
#: Distance in pixels up to which the autocovariance of a residual is estimated.
_REACH = 16


@dataclass(frozen=True)
class Case:
    """Kind of noise.

    Attributes:
        name: Name in the table.
        add: Function that adds the noise to a clean image on the 0-255 scale, given a random number generator.
        told: Function that returns the true noise model, given the noisy and the clean image.
    """

    name: str
    add: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    told: Callable[[np.ndarray, np.ndarray], NoiseModel]


def cases(color: bool) -> dict[str, Case]:
    """Return the kinds of noise, by name. A Bayer mosaic, and noise that channels share, are for color images only."""
    found = [_white(level) for level in _WHITE_LEVELS] + [_photons(white) for white in _PHOTONS]
    found += [_blurred(blur) for blur in _BLURS]
    found += [_jpeg(quality, level) for quality in _QUALITIES for level in _JPEG_LEVELS]
    if color:
        found += [Case(f"Bayer mosaic, level {_BAYER_LEVEL}", _bayer, _true), _blurred(1.0, together=True)]
    return {case.name: case for case in found}


def noise_of_residual(residual: np.ndarray, reach: int = _REACH) -> sm.CorrelatedNoise:
    """Return stationary noise with the autocovariance of a residual, tapered to 0 by a Hann window.

    Args:
        residual: Noisy minus clean image, shape (H, W) or (H, W, C).
        reach: Distance in pixels beyond which pixels count as uncorrelated.

    Example:
        >>> row = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
        >>> noise = sm.CorrelatedNoise(100 / 81 * np.outer(row, row))
        >>> print(noise_of_residual(noise.simulate(np.zeros((400, 400)))))
        sigma 3.351, correlation of neighbors 0.66
    """
    height, width = residual.shape[:2]
    planes = np.moveaxis(residual.reshape(height, width, -1), 2, 0).astype(float)
    planes = planes - planes.mean((1, 2), keepdims=True)
    size = (height + reach, width + reach)  # so that opposite borders are not neighbors
    waves = np.fft.rfft2(planes, size)
    lags = np.fft.irfft2(waves[:, None].conj() * waves[None], size) / (height * width)
    near = np.arange(-reach, reach + 1)
    taper = np.hanning(2 * reach + 3)[1:-1]
    return sm.CorrelatedNoise(np.outer(taper, taper) * lags[..., near[:, None], near])


def _true(noisy: np.ndarray, clean: np.ndarray) -> NoiseModel:
    return noise_of_residual(noisy - clean.astype(float))


def _white(level: float) -> Case:
    noise = sm.GaussianNoise(level)
    return Case(
        f"white, level {level:g}",
        lambda clean, random: noise.simulate(clean, int(random.integers(2**31))),
        lambda _, __: noise,
    )


def _photons(white: float) -> Case:
    gain = 255 / white
    noise = sm.PoissonGaussianNoise(gain, 0.0, _READ * gain)
    return Case(
        f"{white:g} photons",
        lambda clean, random: noise.simulate(clean, int(random.integers(2**31))),
        lambda _, __: noise,
    )


def _blurred(blur: float, together: bool = False) -> Case:
    """Return white noise that is blurred, independent for each channel or the same in all."""
    impulse = np.zeros((65, 65))
    impulse[32, 32] = 1
    scale = _BLURRED_LEVEL / np.sqrt(np.sum(gaussian_filter(impulse, blur) ** 2))

    def add(clean: np.ndarray, random: np.random.Generator) -> np.ndarray:
        white = random.standard_normal((*clean.shape[:2], 1) if together else clean.shape)
        return clean + scale * gaussian_filter(white, blur, mode="wrap", axes=(0, 1))

    which = ", the same in all channels" if together else ""
    return Case(f"blurred by {blur:g} pixels{which}, level {_BLURRED_LEVEL:g}", add, _true)


def _jpeg(quality: int, level: float) -> Case:
    def add(clean: np.ndarray, random: np.random.Generator) -> np.ndarray:
        noisy = np.rint(clean + level * random.standard_normal(clean.shape)).clip(0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return Case(f"JPEG quality {quality}, level {level:g}", add, _true)


def _bayer(clean: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Add the noise of a Bayer mosaic (RGGB) after bilinear demosaicing, which is linear in the noise."""
    mosaic = _BAYER_LEVEL * random.standard_normal(clean.shape[:2])
    rows, columns = np.indices(mosaic.shape) % 2
    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    square = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    channels = [
        (square, (rows == 0) & (columns == 0)),
        (cross, rows != columns),
        (square, (rows == 1) & (columns == 1)),
    ]
    return clean + np.stack([convolve(mosaic * mask, kernel, mode="mirror") for kernel, mask in channels], 2)
