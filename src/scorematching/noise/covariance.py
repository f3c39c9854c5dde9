"""Covariances of noise, as operators on planes: diagonal in the pixels, or in the Fourier basis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.noise.base import Covariance

#: Number of rows of frequencies that are processed at a time.
_ROWS = 64
#: Smallest width in pixels of the mirrored surroundings, so that opposite borders of the image hardly matter.
_MIRRORED = 32


@dataclass(frozen=True)
class PixelCovariance(Covariance):
    """Diagonal covariance: a variance for each pixel, or one for many.

    Attributes:
        variance: Variances that broadcast to planes, (C, 1, H, W), with white at 1.

    Example:
        >>> covariance = PixelCovariance(torch.tensor([1.0, 4.0]))
        >>> covariance.level, covariance.damped(torch.ones(2), 2.0).tolist()
        (2.0, [0.800000011920929, 0.5])
    """

    variance: Tensor

    @property
    def level(self) -> float:
        """Root of the largest variance."""
        return float(self.variance.max()) ** 0.5

    def apply(self, planes: Tensor) -> Tensor:
        """Return ``Sigma v``."""
        return self.variance.to(planes) * planes

    def damped(self, planes: Tensor, level: float) -> Tensor:
        """Return ``s^2 (s^2 + Sigma)^-1 v``."""
        return level**2 / (level**2 + self.variance.to(planes)) * planes


@dataclass(frozen=True)
class StationaryCovariance(Covariance):
    """Covariance of stationary noise, applied by fast Fourier transforms.

    Attributes:
        autocovariance: Shape (C, C, n, n) with odd ``n``, with white at 1.

    Example:
        >>> white = StationaryCovariance(torch.full((1, 1, 1, 1), 4.0))
        >>> white.level, bool(torch.allclose(white.damped(torch.ones(1, 1, 8, 8), 2.0), torch.tensor(0.5)))
        (2.0, True)
    """

    autocovariance: Tensor

    @property
    def level(self) -> float:
        """Root of the largest eigenvalue of the spectral density."""
        return max(self.extremes[1], 0.0) ** 0.5

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue of the spectral density."""
        side = 2 * self.autocovariance.shape[2]
        density = spectral_density(self.autocovariance, torch.fft.fftfreq(side), torch.fft.rfftfreq(side))
        values = torch.linalg.eigvalsh(density)
        return float(values.min()), float(values.max())

    def apply(self, planes: Tensor) -> Tensor:
        """Return ``Sigma v``, where ``v`` is 0 outside of the image."""
        reach = self.autocovariance.shape[2] // 2
        height, width = planes.shape[2:]
        padded = F.pad(planes, [0, reach, 0, reach])
        return self._multiplied(padded, lambda density: density)[..., :height, :width]

    def damped(self, planes: Tensor, level: float) -> Tensor:
        """Return ``s^2 (s^2 + Sigma)^-1 v``, with mirrored surroundings."""
        height, width = planes.shape[2:]
        reach = min(max(self.autocovariance.shape[2] // 2, _MIRRORED), height - 1, width - 1)
        padded = F.pad(planes, [reach] * 4, mode="reflect")
        white = level**2 - min(self.extremes[0], 0.0)  # so that the sum is positive
        unit = white * torch.eye(len(planes), device=planes.device)
        result = self._multiplied(padded, lambda density: level**2 * _inverse(density + unit))
        return result[..., reach : reach + height, reach : reach + width]

    def _multiplied(self, planes: Tensor, factor: Callable[[Tensor], Tensor]) -> Tensor:
        """Multiply the Fourier transform of planes by a function of the spectral density, (rows, columns, C, C)."""
        height, width = planes.shape[2:]
        lags, spectrum = self.autocovariance.to(planes), torch.fft.rfft2(planes[:, 0])
        down, across = (
            fft(n, device=planes.device) for fft, n in ((torch.fft.fftfreq, height), (torch.fft.rfftfreq, width))
        )
        for rows in torch.arange(height, device=planes.device).split(_ROWS):  # bounded memory
            matrices = factor(spectral_density(lags, down[rows], across))
            spectrum[:, rows] = (matrices @ spectrum[:, rows].permute(1, 2, 0)[..., None])[..., 0].permute(2, 0, 1)
        return torch.fft.irfft2(spectrum, s=(height, width))[:, None]


def spectral_density(lags: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Return the spectral density ``sum R(i, j) exp(2 pi i (f i + g j))`` of autocovariances, (F, G, C, C).

    Args:
        lags: ``R``, shape (C, C, n, n).
        down: Vertical frequencies ``f`` in cycles per pixel, shape (F,).
        across: Horizontal frequencies ``g``, shape (G,).
    """
    places = torch.arange(lags.shape[2], device=lags.device, dtype=lags.dtype) - lags.shape[2] // 2
    waves = [torch.exp(2j * torch.pi * axis.to(lags)[:, None] * places) for axis in (down, across)]
    rows = torch.einsum("fi,cdij->fcdj", waves[0], lags.to(waves[0].dtype))
    return torch.einsum("fcdj,gj->fgcd", rows, waves[1])


def _inverse(matrices: Tensor) -> Tensor:
    """Return the inverses of matrices (..., C, C); those of three channels by cofactors, which is much faster."""
    if matrices.shape[-1] != 3:
        return torch.linalg.inv(matrices)
    a, b, c = matrices.unbind(-2)
    cross = torch.linalg.cross
    adjugate = torch.stack([cross(b, c), cross(c, a), cross(a, b)], -1)
    return adjugate / (a * adjugate[..., 0]).sum(-1)[..., None, None]
