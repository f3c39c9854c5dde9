"""Base classes: noise models, maps to white Gaussian noise of one level, and covariances."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from torch import Tensor

from scorematching.runtime.arguments import shown
from scorematching.runtime.kinds import check_arguments, check_memory
from scorematching.runtime.origin import Origin

#: Largest value of a pixel: that of half of the digits of the exponent, so that squares are finite.
_MOST = 1e150


def check_pixels(least: int = 0, **images: np.ndarray) -> None:
    """Raise ``ValueError`` if images, by their names, differ in shape or have values too large to compute with.

    Args:
        least: 2 if the shape must be (H, W) or (H, W, C).
        images: The images.

    Example:
        >>> check_pixels(noisy=np.zeros((2, 3)), clean=np.zeros((2, 4)))
        Traceback (most recent call last):
        ValueError: noisy has shape (2, 3), and clean (2, 4): pass images of one shape
    """
    first, shape = next((name, image.shape) for name, image in images.items())
    for name, image in images.items():
        if image.shape != shape:
            raise ValueError(f"{first} has shape {shape}, and {name} {image.shape}: pass images of one shape")
        if image.dtype.kind not in "biuf":
            raise TypeError(f"{name} must have real numbers, got {image.dtype}")
        if least and (image.ndim not in (2, 3) or 0 in image.shape):
            raise ValueError(f"{name} must have shape (H, W) or (H, W, C), got {image.shape}")
        if image.dtype.kind == "f" and bool(
            (np.abs(image) > image.dtype.type(min(_MOST, float(np.finfo(image.dtype).max)))).any()
        ):
            raise ValueError(f"{name} has values that are infinite or above {_MOST:g}, whose squares overflow")


def as_floats(name: str, values: Any) -> np.ndarray:
    """Return a copy of an array, or of nested sequences, as float64; raise ``ValueError`` if they are not numbers.

    Example:
        >>> as_floats("sigma", [[1, 2]])
        array([[1., 2.]])
    """
    check_memory(name, values)
    try:
        given = np.asarray(values)
    except ValueError:
        given = np.array(None)
    if given.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers, got {shown(values)}")
    return np.array(given, dtype=np.float64)


class NoiseModel(ABC):
    """Noise of an image, in the units of the image. Its mean is 0. Concrete models are dataclasses."""

    @property
    def channels(self) -> int:
        """Number of channels that the noise is for; 1 if all channels have the same noise."""
        return 1

    @property
    def neighbors(self) -> float:
        """Correlation of horizontal and vertical neighbors, mean over the channels."""
        return 0.0

    @abstractmethod
    def simulate(self, clean: np.ndarray, seed: int = 0) -> np.ndarray:
        """Add this noise to clean pixels; return float64. The same seed gives the same noise."""

    @abstractmethod
    def variance(self, clean: np.ndarray) -> np.ndarray:
        """Return the variance of the noise of each pixel, given the clean pixels."""

    def residual(self, noisy: np.ndarray, clean: np.ndarray) -> np.ndarray:
        """Return the noise of each pixel, divided by its standard deviation."""
        check_arguments(NoiseModel.residual, locals())
        check_pixels(noisy=noisy, clean=clean)
        variance = self.variance(clean)
        if not np.all(variance > 0):
            warnings.warn(f"the noise, {self}, is 0 in some pixels, where the residual is not finite", stacklevel=2)
        first, second = (image if image.dtype.kind == "f" else image.astype(np.float64) for image in (noisy, clean))
        with np.errstate(divide="ignore", invalid="ignore"):
            return (first - second) / np.sqrt(variance)

    @abstractmethod
    def stabilizer(self, data_range: float) -> Stabilizer | None:
        """Return the map from planes with this noise to planes with noise of one level, and back.

        Args:
            data_range: Value of white in the image. In planes white is 1.

        Returns:
            The map; ``None`` if there is none that acts on each pixel alone.
        """

    @abstractmethod
    def covariance(self, planes: Tensor, data_range: float) -> Covariance:
        """Return the covariance of the noise, given clean planes, (C, 1, H, W), with white at 1.

        Args:
            planes: Clean planes. Only models whose noise depends on brightness look at the values.
            data_range: Value of white in the image.

        Raises:
            ValueError: The model is for another shape or number of channels.
        """


class Stabilizer(ABC):
    """Map from planes, with white at 1, to planes with Gaussian noise of one level, and back.

    The noise is white unless :meth:`covariance` says otherwise.
    """

    @property
    @abstractmethod
    def level(self) -> float:
        """Standard deviation of the noise of stabilized planes."""

    def covariance(self, channels: int) -> Covariance | None:
        """Return the covariance of the noise of stabilized planes of a number of channels; ``None`` if it is white."""
        return None

    @abstractmethod
    def forward(self, planes: Tensor, origin: Origin | None = None) -> Tensor:
        """Stabilize noisy planes.

        Args:
            planes: Noisy planes of an image, or a tile of them.
            origin: Random numbers of the pixels. By default their seed depends on the pixels.
        """

    @abstractmethod
    def mean(self, planes: Tensor) -> Tensor:
        """Return the mean of stabilized noisy planes, given the clean planes."""

    @abstractmethod
    def inverse(self, planes: Tensor) -> Tensor:
        """Return the clean planes, given estimates of :meth:`mean`."""


class Covariance(ABC):
    """Covariance ``Sigma`` of the noise of planes, (C, 1, H, W), with white at 1, as an operator."""

    @property
    @abstractmethod
    def level(self) -> float:
        """Root of the largest eigenvalue: the level of white noise that is as strong in every direction."""

    @abstractmethod
    def apply(self, planes: Tensor) -> Tensor:
        """Return ``Sigma v``."""

    @abstractmethod
    def damped(self, planes: Tensor, level: float) -> Tensor:
        """Return ``s^2 (s^2 + Sigma)^-1 v`` for a noise level ``s``: small where ``Sigma`` is large."""
