"""Base classes of noise models, and of maps to white Gaussian noise of one level."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor


class NoiseModel(ABC):
    """Noise of an image, in the units of the image. Concrete models are dataclasses."""

    @abstractmethod
    def simulate(self, clean: np.ndarray, seed: int = 0) -> np.ndarray:
        """Add this noise to clean pixels; return float64. The same seed gives the same noise."""

    @abstractmethod
    def residual(self, noisy: np.ndarray, clean: np.ndarray) -> np.ndarray:
        """Return the noise of each pixel, divided by its standard deviation."""

    @abstractmethod
    def stabilizer(self, data_range: float) -> Stabilizer:
        """Return the map from planes with this noise to planes with white noise of one level, and back.

        Args:
            data_range: Value of white in the image. In planes white is 1.
        """


class Stabilizer(ABC):
    """Map from planes, with white at 1, to planes with white Gaussian noise of one level, and back."""

    @property
    @abstractmethod
    def level(self) -> float:
        """Standard deviation of the noise of stabilized planes."""

    @abstractmethod
    def forward(self, planes: Tensor) -> Tensor:
        """Stabilize noisy planes."""

    @abstractmethod
    def mean(self, planes: Tensor) -> Tensor:
        """Return the mean of stabilized noisy planes, given the clean planes."""

    @abstractmethod
    def inverse(self, planes: Tensor) -> Tensor:
        """Return the clean planes, given estimates of :meth:`mean`."""
