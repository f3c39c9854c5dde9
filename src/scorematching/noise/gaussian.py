"""White Gaussian noise of one level."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from scorematching.noise.base import Covariance, NoiseModel, Stabilizer, check_pixels
from scorematching.noise.covariance import PixelCovariance
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.origin import Origin

#: Largest noise level, and the inverse of the lowest one, relative to white, at which single precision is enough.
_MOST = 1e9


@dataclass(frozen=True)
class GaussianNoise(NoiseModel):
    """White Gaussian noise: independent in every pixel and channel, with the same standard deviation everywhere.

    Args:
        sigma: Standard deviation, in the units of the image (0-255 for 8 bit). 0 means no noise.

    Raises:
        ValueError: ``sigma`` is not a finite number of 0 or more.

    Example:
        >>> noise = GaussianNoise(25)
        >>> print(noise)
        sigma 25
        >>> round(float(noise.simulate(np.zeros(100_000)).std()))
        25
    """

    sigma: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma, zero=True))

    def __str__(self) -> str:
        return f"sigma {self.sigma:.4g}"

    def simulate(self, clean: np.ndarray, seed: int = 0) -> np.ndarray:
        """Add this noise to clean pixels; return float64."""
        check_arguments(GaussianNoise.simulate, locals())
        check_pixels(clean=clean)
        return clean + np.random.default_rng(seed).normal(0, self.sigma, clean.shape)

    def variance(self, clean: np.ndarray) -> np.ndarray:
        """Return the variance of the noise of each pixel."""
        check_arguments(GaussianNoise.variance, locals())
        check_pixels(clean=clean)
        return np.broadcast_to(self.sigma**2, clean.shape)

    def stabilizer(self, data_range: float) -> Stabilizer:
        """Return the identity map, with the noise level for white at 1."""
        check_arguments(GaussianNoise.stabilizer, locals())
        return _Identity(self.sigma / data_range)

    def covariance(self, planes: Tensor, data_range: float) -> Covariance:
        """Return the covariance, a multiple of the identity."""
        check_arguments(GaussianNoise.covariance, locals())
        return PixelCovariance(torch.tensor((self.sigma / data_range) ** 2))


@dataclass(frozen=True)
class _Identity(Stabilizer):
    """Planes that have white noise already."""

    sigma: float

    @property
    def level(self) -> float:
        return self.sigma

    def forward(self, planes: Tensor, origin: Origin | None = None) -> Tensor:
        return planes

    def mean(self, planes: Tensor) -> Tensor:
        return planes

    def inverse(self, planes: Tensor) -> Tensor:
        return planes


def as_noise_model(noise: float | NoiseModel) -> NoiseModel:
    """Return a noise model: the given one, or white Gaussian noise of the given level.

    Args:
        noise: A noise model, or a standard deviation above 0, in the units of the image.

    Raises:
        TypeError: ``noise`` is neither a number nor a noise model.
        ValueError: The number is not above 0.

    Example:
        >>> as_noise_model(25)
        GaussianNoise(sigma=25.0)
    """
    if isinstance(noise, NoiseModel):
        return noise
    if not isinstance(noise, Real):
        raise TypeError(f"noise must be a number or a noise model such as GaussianNoise, got {type(noise).__name__}")
    return GaussianNoise(check_positive("noise", noise))


def white_level(noise: float | NoiseModel, data_range: float) -> float:
    """Return the level of white noise, with white at 1, for a method that accepts no other noise.

    Raises:
        TypeError: ``noise`` is neither a number nor a noise model.
        ValueError: The noise is not white Gaussian noise, or its level is not above 0.

    Example:
        >>> white_level(51, data_range=255)
        0.2
    """
    check_arguments(white_level, locals())
    model = as_noise_model(noise)
    if not isinstance(model, GaussianNoise):
        raise ValueError(
            f"this method takes white Gaussian noise, a number or GaussianNoise, got {model}: denoise first"
        )
    level = check_positive("noise", model.sigma) / float(data_range)
    if not 1 / _MOST <= level <= _MOST:
        raise ValueError(f"the noise, {model}, does not suit the value of white, {data_range:g}: give it in its units")
    return level
