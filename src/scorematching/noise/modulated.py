"""Correlated noise whose level changes over the image: with brightness, from pixel to pixel, or with the channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scorematching.noise.base import Covariance, NoiseModel, Stabilizer, check_pixels
from scorematching.noise.correlated import CorrelatedNoise
from scorematching.noise.covariance import PixelCovariance, StationaryCovariance
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.origin import Origin

#: Largest number of steps of the conjugate gradients, and the residual, relative to the right-hand side, at which they
#: end.
_STEPS, _SETTLED = 100, 1e-4


@dataclass(frozen=True)
class ModulatedNoise(NoiseModel):
    """Correlated noise whose standard deviation is that of another model: ``y = x + s(x) n``.

    ``n`` is stationary noise of standard deviation 1. So noise can be correlated *and* grow with brightness, or be
    correlated and have a level of its own in each pixel.

    Args:
        level: Model of the standard deviation ``s`` of each pixel, such as :class:`PoissonGaussianNoise` or
            :class:`NoiseMap`.
        correlation: Model of ``n``. It is divided by its standard deviation in each channel.

    Raises:
        TypeError: An argument is of another class.
        ValueError: A channel of ``correlation`` has no noise, or ``level`` is correlated itself.

    Example:
        >>> from scorematching.noise import PoissonGaussianNoise
        >>> row = np.array([1.0, 2.0, 1.0])
        >>> noise = ModulatedNoise(PoissonGaussianNoise(2.0), CorrelatedNoise(np.outer(row, row)))
        >>> print(noise)
        gain 2, read noise 0, correlation of neighbors 0.50
        >>> y = noise.simulate(np.full((300, 300), 50.0))
        >>> bool(abs(y.std() - 10) < 0.2)
        True
    """

    level: NoiseModel
    correlation: CorrelatedNoise

    def __post_init__(self) -> None:
        if not isinstance(self.level, NoiseModel) or not isinstance(self.correlation, CorrelatedNoise):
            raise TypeError(
                "ModulatedNoise takes a noise model and a CorrelatedNoise, got "
                f"{type(self.level).__name__} and {type(self.correlation).__name__}"
            )
        if isinstance(self.level, CorrelatedNoise | ModulatedNoise):
            raise ValueError(f"the level must be that of noise without correlation, got {self.level}")
        if not (self.correlation.variance(np.zeros((1, 1, self.correlation.channels))) > 0).all():
            raise ValueError("the correlation has a channel without noise")

    def __str__(self) -> str:
        return f"{self.level}, correlation of neighbors {self.neighbors:.2f}"

    @property
    def channels(self) -> int:
        """Number of channels that the noise is for; 1 if all channels have the same noise."""
        return max(self.level.channels, self.correlation.channels)

    @property
    def neighbors(self) -> float:
        """Correlation of horizontal and vertical neighbors, mean over the channels."""
        return self.correlation.neighbors

    def simulate(self, clean: np.ndarray, seed: int = 0) -> np.ndarray:
        """Add this noise to clean pixels; return float64."""
        check_arguments(ModulatedNoise.simulate, locals())
        check_pixels(2, clean=clean)
        noise = self.correlation.simulate(np.zeros(clean.shape), seed)
        return clean + noise * np.sqrt(self.level.variance(clean) / self.correlation.variance(clean))

    def variance(self, clean: np.ndarray) -> np.ndarray:
        """Return the variance of the noise of each pixel, given the clean pixels."""
        check_arguments(ModulatedNoise.variance, locals())
        check_pixels(2, clean=clean)
        return self.level.variance(clean)

    def stabilizer(self, data_range: float) -> Stabilizer | None:
        """Return the map of ``level``, after which the noise is stationary; ``None`` if it has none."""
        check_arguments(ModulatedNoise.stabilizer, locals())
        base = self.level.stabilizer(data_range)
        return None if base is None else _Correlated(base, self.correlation)

    def covariance(self, planes: Tensor, data_range: float) -> Covariance:
        """Return the covariance ``S K S``: ``S`` holds the standard deviations, ``K`` the correlations."""
        check_arguments(ModulatedNoise.covariance, locals())
        variance = self.level.covariance(planes, data_range)
        assert isinstance(variance, PixelCovariance)
        return ModulatedCovariance(variance.variance.sqrt(), _normalized(self.correlation, len(planes)))


@dataclass(frozen=True)
class _Correlated(Stabilizer):
    """Stabilizer of noise that is correlated: afterwards it has one level, and still its correlation."""

    base: Stabilizer
    correlation: CorrelatedNoise

    @property
    def level(self) -> float:
        return self.base.level

    def forward(self, planes: Tensor, origin: Origin | None = None) -> Tensor:
        return self.base.forward(planes, origin)

    def mean(self, planes: Tensor) -> Tensor:
        return self.base.mean(planes)

    def inverse(self, planes: Tensor) -> Tensor:
        return self.base.inverse(planes)

    def covariance(self, channels: int) -> Covariance:
        normalized = _normalized(self.correlation, channels)
        return StationaryCovariance(self.level**2 * normalized.autocovariance)


@dataclass(frozen=True)
class ModulatedCovariance(Covariance):
    """Covariance ``S K S`` of stationary noise that is multiplied by a standard deviation in each pixel.

    Attributes:
        deviation: Standard deviations that broadcast to planes, (C, 1, H, W), with white at 1.
        correlation: ``K``, with a diagonal of 1.

    Example:
        >>> white = StationaryCovariance(torch.ones(1, 1, 1, 1))
        >>> covariance = ModulatedCovariance(torch.tensor([1.0, 2.0]), white)
        >>> covariance.level, covariance.apply(torch.ones(1, 1, 1, 2)).flatten().tolist()
        (2.0, [1.0, 4.0])
    """

    deviation: Tensor
    correlation: StationaryCovariance

    @property
    def level(self) -> float:
        """Upper bound of the root of the largest eigenvalue; nearly equal if the deviation changes slowly."""
        return float(self.deviation.max()) * self.correlation.level

    def apply(self, planes: Tensor) -> Tensor:
        """Return ``Sigma v``."""
        deviation = self.deviation.to(planes)
        return deviation * self.correlation.apply(deviation * planes)

    def damped(self, planes: Tensor, level: float) -> Tensor:
        """Return ``s^2 (s^2 + Sigma)^-1 v``, by conjugate gradients."""
        solution, rest = torch.zeros_like(planes), planes.clone()
        direction, energy = rest.clone(), rest.square().sum()
        least = _SETTLED**2 * energy
        for _ in range(_STEPS):
            if energy <= least:
                break
            image = direction + self.apply(direction) / level**2
            step = energy / (direction * image).sum()
            solution += step * direction
            rest -= step * image
            before, energy = energy, rest.square().sum()
            direction = rest + energy / before * direction
        return solution


def _normalized(correlation: CorrelatedNoise, channels: int) -> StationaryCovariance:
    """Return the covariance of correlated noise, divided by its standard deviation in each channel."""
    lags = correlation.for_channels(channels)
    root = np.sqrt(np.einsum("cc->c", lags[..., correlation.reach, correlation.reach]))
    return StationaryCovariance(torch.from_numpy(lags / np.outer(root, root)[..., None, None]).float())
