"""White Gaussian noise of several levels: one a channel, or one a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scorematching.noise.base import Covariance, NoiseModel, Stabilizer, as_floats, check_pixels
from scorematching.noise.covariance import PixelCovariance
from scorematching.noise.gaussian import GaussianNoise
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.kinds import check_arguments


@dataclass(frozen=True)
class ChannelNoise(NoiseModel):
    """White Gaussian noise with a level of its own in each channel.

    Args:
        sigmas: Standard deviation in each channel, in the units of the image; 0 or more.

    Raises:
        ValueError: There is no level, or one is below 0 or not finite.

    Example:
        >>> noise = ChannelNoise((6.0, 4.0, 9.0))
        >>> print(noise)
        sigma 6, 4, 9 in the channels
        >>> noise.simulate(np.zeros((300, 300, 3))).std((0, 1)).round().tolist()
        [6.0, 4.0, 9.0]
    """

    sigmas: tuple[float, ...]

    def __post_init__(self) -> None:
        check_arguments(ChannelNoise, vars(self))
        levels = tuple(check_positive("each sigma", sigma, zero=True) for sigma in self.sigmas)
        if not levels:
            raise ValueError("sigmas must have a level for each channel, got none")
        object.__setattr__(self, "sigmas", levels)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.sigmas)

    def __str__(self) -> str:
        return f"sigma {', '.join(f'{sigma:.4g}' for sigma in self.sigmas)} in the channels"

    def simulate(self, clean: np.ndarray, seed: int = 0) -> np.ndarray:
        """Add this noise to clean pixels, shape (H, W, C); return float64."""
        check_arguments(ChannelNoise.simulate, locals())
        check_pixels(2, clean=clean)
        return clean + np.random.default_rng(seed).standard_normal(clean.shape) * np.sqrt(self.variance(clean))

    def variance(self, clean: np.ndarray) -> np.ndarray:
        """Return the variance of the noise of each pixel, given clean pixels of shape (H, W, C)."""
        check_arguments(ChannelNoise.variance, locals())
        check_pixels(2, clean=clean)
        channels = clean.shape[2] if clean.ndim == 3 else 1
        self._check(channels)
        return np.broadcast_to(np.square(self.sigmas), (*clean.shape[:2], channels)).reshape(clean.shape)

    def stabilizer(self, data_range: float) -> Stabilizer | None:
        """Return the identity map if all channels have the same level, otherwise ``None``."""
        check_arguments(ChannelNoise.stabilizer, locals())
        return GaussianNoise(self.sigmas[0]).stabilizer(data_range) if len(set(self.sigmas)) == 1 else None

    def covariance(self, planes: Tensor, data_range: float) -> Covariance:
        """Return the covariance, diagonal and the same for all pixels of a channel."""
        check_arguments(ChannelNoise.covariance, locals())
        self._check(len(planes))
        return PixelCovariance(torch.tensor(self.sigmas).square()[:, None, None, None] / data_range**2)

    def _check(self, channels: int) -> None:
        if channels != len(self.sigmas):
            raise ValueError(f"the noise has {len(self.sigmas)} levels, the image has {channels} channels")


@dataclass(frozen=True, eq=False)
class NoiseMap(NoiseModel):
    """White Gaussian noise with a level of its own in each pixel.

    Args:
        sigma: Standard deviation in each pixel, shape (H, W), or (H, W, C) with one a channel, in the units of the
            image; 0 or more.

    Raises:
        ValueError: The shape is another, or a value is below 0 or not finite.

    Example:
        >>> noise = NoiseMap(np.linspace(1, 9, 40_000).reshape(200, 200))
        >>> print(noise)
        sigma 1 to 9 in the pixels
        >>> float(noise.variance(np.zeros((200, 200)))[0, 0])
        1.0
    """

    sigma: np.ndarray

    def __post_init__(self) -> None:
        sigma = as_floats("sigma", self.sigma)
        if sigma.ndim not in (2, 3) or not sigma.size:
            raise ValueError(f"a noise map must have shape (H, W) or (H, W, C), got {sigma.shape}")
        if not (np.isfinite(sigma).all() and (sigma >= 0).all()):
            raise ValueError("a noise map must have finite values of 0 or more")
        object.__setattr__(self, "sigma", sigma)

    @property
    def channels(self) -> int:
        """Number of channels that the map is for; 1 if all channels have the same noise."""
        return self.sigma.shape[2] if self.sigma.ndim == 3 else 1

    def __str__(self) -> str:
        return f"sigma {self.sigma.min():.4g} to {self.sigma.max():.4g} in the pixels"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoiseMap) and np.array_equal(self.sigma, other.sigma)

    __hash__ = None  # type: ignore[assignment]

    def simulate(self, clean: np.ndarray, seed: int = 0) -> np.ndarray:
        """Add this noise to clean pixels; return float64."""
        check_arguments(NoiseMap.simulate, locals())
        check_pixels(2, clean=clean)
        return clean + np.random.default_rng(seed).standard_normal(clean.shape) * np.sqrt(self.variance(clean))

    def variance(self, clean: np.ndarray) -> np.ndarray:
        """Return the variance of the noise of each pixel."""
        check_arguments(NoiseMap.variance, locals())
        check_pixels(2, clean=clean)
        sigma = self.sigma[..., None] if self.sigma.ndim < clean.ndim else self.sigma
        if (
            clean.ndim != sigma.ndim
            or clean.shape[:2] != sigma.shape[:2]
            or sigma.shape[2:] not in ((), (1,), clean.shape[2:])
        ):
            raise ValueError(f"the noise map has shape {self.sigma.shape}, the image has shape {clean.shape}")
        return np.broadcast_to(sigma**2, clean.shape)

    def stabilizer(self, data_range: float) -> Stabilizer | None:
        """Return the identity map if all pixels have the same level, otherwise ``None``."""
        check_arguments(NoiseMap.stabilizer, locals())
        low, high = float(self.sigma.min()), float(self.sigma.max())
        return GaussianNoise(low).stabilizer(data_range) if low == high else None

    def covariance(self, planes: Tensor, data_range: float) -> Covariance:
        """Return the covariance, which is diagonal."""
        check_arguments(NoiseMap.covariance, locals())
        channels, _, height, width = planes.shape
        variance = np.moveaxis(self.variance(np.zeros((height, width, channels))), 2, 0)[:, None] / data_range**2
        return PixelCovariance(torch.from_numpy(np.ascontiguousarray(variance)).float())
