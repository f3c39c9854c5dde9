"""What a noise model is, and how it brings planes to white Gaussian noise of one level."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor


class NoiseModel(ABC):
    """The noise of an image, in the image's own units. Concrete models are dataclasses that print well."""

    @abstractmethod
    def simulate(self, clean: np.ndarray, seed: int = 0) -> np.ndarray:
        """Return clean pixels with this noise, float64; the same seed gives the same noise."""

    @abstractmethod
    def residual(self, noisy: np.ndarray, clean: np.ndarray) -> np.ndarray:
        """Return the noise of each pixel in units of its standard deviation."""

    @abstractmethod
    def stabilizer(self, data_range: float) -> Stabilizer:
        """Return the map from planes with this noise to planes with white noise of one level, and back.

        Args:
            data_range: The image's value of white, which is 1 in planes.
        """


class Stabilizer(ABC):
    """A map of planes, white at 1, to planes with white Gaussian noise of one level, and back."""

    @property
    @abstractmethod
    def level(self) -> float:
        """Standard deviation of the noise of stabilized planes."""

    @abstractmethod
    def forward(self, planes: Tensor) -> Tensor:
        """Return noisy planes, stabilized."""

    @abstractmethod
    def mean(self, planes: Tensor) -> Tensor:
        """Return the mean of stabilized noisy planes, for clean planes."""

    @abstractmethod
    def inverse(self, planes: Tensor) -> Tensor:
        """Return the clean planes for estimates of :meth:`mean`."""
