"""Planes with Poisson-Gaussian noise, mapped to planes with white Gaussian noise of one level, and back."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.noise.base import Stabilizer

#: Side, in pixels, of the square whose mean tells how bright a pixel is.
_AROUND = 7
#: Number of rows that are processed at a time, so that only these are held in double precision.
_ROWS = 64


class Transform(Protocol):
    """A transform that gives noisy pixels variance 1, as that of :class:`scorematching.noise.PoissonGaussianNoise`."""

    @property
    def offset(self) -> float:
        """Pixel value without light."""

    def stabilize(self, y: np.ndarray | float) -> np.ndarray:
        """Return noisy pixels with noise of variance 1."""

    def stabilized_mean(self, x: np.ndarray | float) -> np.ndarray:
        """Return the mean of stabilized noisy pixels, for clean pixels."""

    def stabilized_deviation(self, x: np.ndarray | float) -> np.ndarray:
        """Return the standard deviation of stabilized noisy pixels, for clean pixels."""

    def inverse(self, mean: np.ndarray | float) -> np.ndarray:
        """Return the clean pixels for which stabilized noisy pixels have a mean."""


@dataclass(frozen=True)
class AnscombeStabilizer(Stabilizer):
    """The Anscombe transform of planes, scaled to black 0 and white 1.

    Attributes:
        noise: The noise, in the image's own units.
        data_range: The image's value of white.

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
        """Standard deviation of the noise of stabilized planes."""
        return 1 / (float(self.noise.stabilize(self.data_range)) - self._black)

    def forward(self, planes: Tensor) -> Tensor:
        """Return noisy planes (..., H, W), white 1, stabilized.

        With few photons the transform leaves less noise than ``level``. The missing noise is added: a prior that
        expects more noise than there is may take the rest for structure. The draw depends on the pixels alone.
        """
        pixels = planes.reshape(-1, *planes.shape[-2:])
        result = torch.empty(pixels.shape, dtype=planes.dtype)
        tops = range(0, pixels.shape[1], _ROWS)
        blocks = [(plane, out, top) for plane, out in zip(pixels, result, strict=True) for top in tops]
        checksum = 0
        for plane, _, top in blocks:
            checksum = zlib.crc32(plane[top : top + _ROWS].double().numpy().tobytes(), checksum)
        random = np.random.default_rng(checksum)
        for plane, out, top in blocks:
            values = self.noise.stabilize(plane[top : top + _ROWS].double().numpy() * self.data_range)
            missing = np.sqrt(
                np.maximum(1 - self.noise.stabilized_deviation(_around(plane, top) * self.data_range) ** 2, 0)
            )
            out[top : top + _ROWS] = self._scaled(values + missing * random.standard_normal(values.shape))
        return result.view_as(planes)

    def mean(self, planes: Tensor) -> Tensor:
        """Return the mean of stabilized noisy planes, for clean planes."""
        return self._scaled(self.noise.stabilized_mean(planes.double().numpy() * self.data_range)).to(planes)

    def inverse(self, planes: Tensor) -> Tensor:
        """Return the clean planes for estimates of :meth:`mean`."""
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


def _around(plane: Tensor, top: int) -> np.ndarray:
    """Return the mean around each pixel, for the rows of a block."""
    reach = _AROUND // 2
    first = max(0, top - reach)
    near = plane[first : top + _ROWS + reach].double()
    means = F.avg_pool2d(near[None], _AROUND, 1, reach, count_include_pad=False)[0]
    return means[top - first : top - first + _ROWS].numpy()
