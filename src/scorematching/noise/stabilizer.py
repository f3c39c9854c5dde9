"""Map from planes with Poisson-Gaussian noise to planes with white Gaussian noise of one level, and back."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.noise.base import Stabilizer
from scorematching.runtime.origin import Origin

#: Side, in pixels, of the square whose mean estimates the brightness of a pixel.
_AROUND = 7
#: Number of rows that are processed at a time, to limit the memory in double precision.
_ROWS = 64


class Transform(Protocol):
    """Transform that gives noisy pixels variance 1, such as :class:`scorematching.noise.PoissonGaussianNoise`."""

    @property
    def offset(self) -> float:
        """Pixel value without light."""

    def stabilize(self, y: np.ndarray | float) -> np.ndarray:
        """Return stabilized noisy pixels, whose noise has variance 1."""

    def stabilized_mean(self, x: np.ndarray | float) -> np.ndarray:
        """Return the mean of stabilized noisy pixels, given the clean pixels."""

    def stabilized_deviation(self, x: np.ndarray | float) -> np.ndarray:
        """Return the standard deviation of stabilized noisy pixels, given the clean pixels."""

    def inverse(self, mean: np.ndarray | float) -> np.ndarray:
        """Return the clean pixels, given the mean of the stabilized noisy pixels."""


@dataclass(frozen=True)
class AnscombeStabilizer(Stabilizer):
    """Anscombe transform of planes, scaled to black at 0 and white at 1.

    Attributes:
        noise: Noise, in the units of the image.
        data_range: Value of white in the image.

    Raises:
        ValueError: ``noise.offset`` is not below white.
    """

    noise: Transform
    data_range: float

    def __post_init__(self) -> None:
        if not self.noise.offset < self.data_range:
            raise ValueError(f"offset must be below white, {self.data_range:g}, got {self.noise.offset:g}")

    @cached_property
    def level(self) -> float:
        """Standard deviation of the noise of stabilized planes; infinite if white is far less than a photon."""
        span = float(self.noise.stabilize(self.data_range)) - self._black
        return 1 / span if span > 0 else math.inf

    def forward(self, planes: Tensor, origin: Origin | None = None) -> Tensor:
        """Stabilize noisy planes, shape (..., H, W), with white at 1.

        With few photons, the stabilized noise is weaker than ``level``, and a prior that expects more noise may invent
        structure. So the missing noise is added: that of ``origin``, by default depending on the pixels only.
        """
        pixels = planes.reshape(-1, *planes.shape[-2:])
        origin = Origin(seed=checksum(pixels)) if origin is None else origin
        result = torch.empty(pixels.shape, dtype=planes.dtype)
        for top in range(0, pixels.shape[1], _ROWS):
            rows = slice(top, top + _ROWS)
            values = self.noise.stabilize(pixels[:, rows].double().numpy() * self.data_range)
            around = np.stack([_around(plane, top) for plane in pixels])
            missing = np.sqrt(np.maximum(1 - self.noise.stabilized_deviation(around * self.data_range) ** 2, 0))
            result[:, rows] = self._scaled(values + missing * origin.below(top).normal(values.shape))
        return result.view_as(planes)

    def mean(self, planes: Tensor) -> Tensor:
        """Return the mean of stabilized noisy planes, given the clean planes."""
        return self._scaled(self.noise.stabilized_mean(planes.double().numpy() * self.data_range)).to(planes)

    def inverse(self, planes: Tensor) -> Tensor:
        """Return the clean planes, given estimates of :meth:`mean`."""
        result = torch.empty(planes.shape, dtype=torch.float64)
        for rows, out in zip(planes.detach().cpu().split(_ROWS, -2), result.split(_ROWS, -2), strict=True):
            means = self._black + rows.double().numpy() / self.level
            out.copy_(torch.from_numpy(self.noise.inverse(means) / self.data_range))
        return result

    @cached_property
    def _black(self) -> float:
        return float(self.noise.stabilize(self.noise.offset))

    def _scaled(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(self.level * (values - self._black))


def checksum(planes: Tensor) -> int:
    """Return a number that depends on all values of planes, shape (N, H, W).

    Example:
        >>> checksum(torch.zeros(1, 4, 6)) == checksum(torch.ones(1, 4, 6))
        False
    """
    found = 0
    for plane in planes:
        for rows in plane.split(_ROWS):
            found = zlib.crc32(rows.double().cpu().numpy().tobytes(), found)
    return found


def _around(plane: Tensor, top: int) -> np.ndarray:
    """Return the mean of the square around each pixel, for the rows of a block."""
    reach = _AROUND // 2
    first = max(0, top - reach)
    near = plane[first : top + _ROWS + reach].double()
    means = F.avg_pool2d(near[None], _AROUND, 1, reach, count_include_pad=False)[0]
    return means[top - first : top - first + _ROWS].numpy()
