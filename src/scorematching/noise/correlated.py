"""Noise whose neighboring pixels, and channels, are correlated: what a camera's development leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scorematching.noise.base import Covariance, NoiseModel, Stabilizer, as_floats, check_pixels
from scorematching.noise.covariance import StationaryCovariance, spectral_density
from scorematching.runtime.arguments import check_count, shown
from scorematching.runtime.kinds import check_arguments

#: Frequency in cycles per pixel that stands for the highest octave, 1/4 to 1/2; each lower octave has half of it.
OCTAVE = 0.36
#: Side of the autocovariance of noise that is described by octaves.
_SIDE = 65
#: Most negative spectral density, as a fraction of the largest, that counts as an error of interpolation.
_NEGATIVE = 0.05

#: Minimum side in pixels of a blank image, farthest distance of its pixels that are compared, and number of standard
#: errors from which a correlation is clear.
_LEAST_SIDE, _FARTHEST, _SURE = 64, 16, 5.0


@dataclass(frozen=True, eq=False)
class CorrelatedNoise(NoiseModel):
    """Stationary Gaussian noise: any two pixels at the same distance have the same covariance.

    Args:
        autocovariance: Covariance of channel ``c`` at a pixel with channel ``d`` at the pixel ``(i, j)`` away, in the
            squared units of the image, shape (C, C, n, n) with odd ``n`` and ``(i, j) = (0, 0)`` in the middle; (n, n)
            for one channel. Beyond it pixels are not correlated. The noise of one channel is the same in all channels
            of a color image, as in grayscale stored as color.

    Raises:
        ValueError: The shape is another, a value is not finite, it is not symmetric, or its spectral density falls
            below 0.

    Example:
        White noise of level 10, blurred with a kernel of 3 pixels:

        >>> row = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
        >>> noise = CorrelatedNoise(100 / 81 * np.outer(row, row))
        >>> print(noise)
        sigma 3.333, correlation of neighbors 0.67
        >>> y = noise.simulate(np.zeros((400, 400)))
        >>> bool(abs(y.std() - 10 / 3) < 0.1)
        True
    """

    autocovariance: np.ndarray

    def __post_init__(self) -> None:
        given = as_floats("autocovariance", self.autocovariance)
        found = given[None, None] if given.ndim == 2 else given
        if found.ndim != 4 or found.shape[0] != found.shape[1] or found.shape[2] != found.shape[3]:
            raise ValueError(f"autocovariance must have shape (n, n) or (C, C, n, n), got {given.shape}")
        if not found.shape[2] % 2:
            raise ValueError(f"the side of an autocovariance must be odd, got {found.shape[2]}")
        if not np.isfinite(found).all():
            raise ValueError("the autocovariance has values that are not finite")
        if not np.allclose(found, found.transpose(1, 0, 2, 3)[..., ::-1, ::-1], atol=1e-6 * np.abs(found).max()):
            raise ValueError(
                "the autocovariance is not symmetric: that of (c, d) is that of (d, c), turned by 180 degrees"
            )
        low, high = StationaryCovariance(torch.from_numpy(found)).extremes
        if low < -_NEGATIVE * high or high < 0:
            raise ValueError(
                f"the autocovariance is that of no noise: its spectral density falls to {low:.3g}, with a maximum of "
                f"{high:.3g}. If it was cut off, let it fall to 0 smoothly"
            )
        object.__setattr__(self, "autocovariance", found)

    @classmethod
    def from_octaves(cls, densities: Sequence[np.ndarray]) -> CorrelatedNoise:
        """Return noise that is the same in all directions, from its spectral density in each octave.

        Between the octaves, the root of the density is interpolated over the logarithm of the frequency.

        Args:
            densities: For each octave, highest frequencies first, the covariance of the channels, shape (C, C), in the
                squared units of the image. White noise of variance 1 has a density of 1 in each.

        Example:
            >>> print(CorrelatedNoise.from_octaves([np.eye(1), 9 * np.eye(1)]))
            sigma 1.601, correlation of neighbors 0.42
        """
        stack = list(densities) if isinstance(densities, Sequence | np.ndarray) else []
        square = (np.ndim(one) == 2 and np.shape(one) == (len(one),) * 2 == np.shape(stack[0]) for one in stack)
        if not stack or not all(square) or np.stack(stack).dtype.kind not in "iuf" or not np.isfinite(stack).all():
            raise ValueError(
                f"densities must be finite arrays of one shape (C, C), one per octave, got {shown(densities)}"
            )
        frequency = torch.hypot(torch.fft.fftfreq(_SIDE)[:, None], torch.fft.rfftfreq(_SIDE)[None]).clamp_min(1e-3)
        density = octave_spectrum(torch.as_tensor(np.stack(stack), dtype=torch.float64), frequency.double())
        lags = torch.fft.irfft2(density.permute(2, 3, 0, 1), s=(_SIDE, _SIDE))
        return cls(torch.fft.fftshift(lags, dim=(2, 3)).numpy())

    @classmethod
    def from_blank(cls, image: np.ndarray) -> CorrelatedNoise:
        """Return the noise of an image of an even surface: the autocovariance of its pixels.

        A plane is fitted and removed first, so that the light may fall off. Distances beyond those at which the
        correlation is clear, but at most 16 pixels, are left out. The noise of the image must not depend on brightness.

        Args:
            image: Shape (H, W) or (H, W, C), of 64 x 64 pixels or more, without clipped values.

        Raises:
            ValueError: The shape is another, a value is not finite, or all pixels are equal.

        Example:
            >>> blank = np.full((200, 200), 128.0)
            >>> noise = CorrelatedNoise(9.0 * np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]))
            >>> print(CorrelatedNoise.from_blank(noise.simulate(blank)))
            sigma 3.003, correlation of neighbors 0.50
        """
        check_arguments(CorrelatedNoise.from_blank, locals())
        pixels = np.asarray(image, dtype=np.float64)
        if pixels.ndim not in (2, 3) or min(pixels.shape[:2]) < _LEAST_SIDE:
            raise ValueError(
                f"a blank image must have shape (H, W) or (H, W, C) and {_LEAST_SIDE} x {_LEAST_SIDE} pixels or more, "
                f"got {pixels.shape}"
            )
        if not np.isfinite(pixels).all():
            raise ValueError("the blank image has values that are not finite")
        planes = _without_slope(np.moveaxis(pixels[..., None] if pixels.ndim == 2 else pixels, 2, 0))
        if not np.ptp(pixels, (0, 1)).any():
            raise ValueError("the blank image has no noise: all its pixels are equal")
        return cls(_clear(_autocovariance(planes), planes.shape[1] * planes.shape[2]))

    @property
    def channels(self) -> int:
        """Number of channels, C; 1 if all channels have the same noise."""
        return len(self.autocovariance)

    @property
    def reach(self) -> int:
        """Distance in pixels up to which pixels are correlated."""
        return self.autocovariance.shape[2] // 2

    @property
    def sigma(self) -> float:
        """Standard deviation of a pixel, the root of the mean over the channels."""
        return float(np.sqrt(np.mean(self._variances)))

    @property
    def neighbors(self) -> float:
        """Correlation of horizontal and vertical neighbors, mean over the channels."""
        m, diagonal = self.reach, np.einsum("ccij->cij", self.autocovariance)
        if m == 0:
            return 0.0
        beside = np.sum(diagonal[:, m, m + 1] + diagonal[:, m + 1, m])
        return float(beside / max(2 * np.sum(self._variances), 1e-300))

    @property
    def _variances(self) -> np.ndarray:
        return np.einsum("cc->c", self.autocovariance[..., self.reach, self.reach])

    def __str__(self) -> str:
        levels = ", ".join(f"{level:.4g}" for level in np.sqrt(self._variances))
        return f"sigma {levels}, correlation of neighbors {self.neighbors:.2f}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CorrelatedNoise) and np.array_equal(self.autocovariance, other.autocovariance)

    __hash__ = None  # type: ignore[assignment]

    def simulate(self, clean: np.ndarray, seed: int = 0) -> np.ndarray:
        """Add this noise to clean pixels, shape (H, W) or (H, W, C); return float64."""
        check_arguments(CorrelatedNoise.simulate, locals())
        check_pixels(2, clean=clean)
        height, width = clean.shape[:2]
        channels = 1 if clean.ndim == 2 else clean.shape[2]
        self.for_channels(channels)
        size = (height + 2 * self.reach, width + 2 * self.reach)
        values, vectors = torch.linalg.eigh(self.spectrum(*size))
        root = vectors * values.clamp_min(0).sqrt()[..., None, :]
        white = torch.from_numpy(np.random.default_rng(seed).standard_normal((self.channels, *size)))
        mixed = root @ torch.fft.rfft2(white).permute(1, 2, 0)[..., None]
        noise = torch.fft.irfft2(mixed[..., 0].permute(2, 0, 1), s=size)[:, :height, :width].numpy()
        return clean + np.moveaxis(np.broadcast_to(noise, (channels, height, width)), 0, -1).reshape(clean.shape)

    def variance(self, clean: np.ndarray) -> np.ndarray:
        """Return the variance of the noise of each pixel, shape (H, W) or (H, W, C)."""
        check_arguments(CorrelatedNoise.variance, locals())
        check_pixels(2, clean=clean)
        channels = 1 if clean.ndim == 2 else clean.shape[2]
        variances = np.einsum("cc->c", self.for_channels(channels)[..., self.reach, self.reach])
        return np.broadcast_to(variances, (*clean.shape[:2], channels)).reshape(clean.shape)

    def stabilizer(self, data_range: float) -> Stabilizer | None:
        """Return ``None``: no map of single pixels makes this noise white."""
        check_arguments(CorrelatedNoise.stabilizer, locals())
        return None

    def covariance(self, planes: Tensor, data_range: float) -> Covariance:
        """Return the covariance, which is diagonal in the Fourier basis, up to the channels."""
        check_arguments(CorrelatedNoise.covariance, locals())
        return StationaryCovariance(torch.from_numpy(self.for_channels(len(planes)) / data_range**2).float())

    def spectrum(self, height: int, width: int) -> Tensor:
        """Return the spectral density at the frequencies of a real FFT, (H, W // 2 + 1, C, C), complex128."""
        check_count("height", height)
        check_count("width", width)
        return spectral_density(
            torch.from_numpy(self.autocovariance), torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
        )

    def for_channels(self, channels: int) -> np.ndarray:
        """Return the autocovariance for an image with a number of channels, shape (C, C, n, n).

        Raises:
            ValueError: The noise is for several channels, and the image has another number.
        """
        check_count("channels", channels, 1, 2**16)
        if channels != self.channels and self.channels > 1:
            raise ValueError(f"the noise is for {self.channels} channels, the image has {channels}")
        return np.tile(self.autocovariance, (channels // self.channels, channels // self.channels, 1, 1))


def _without_slope(planes: np.ndarray) -> np.ndarray:
    """Return planes, (C, H, W), minus the linear function that fits best."""
    height, width = planes.shape[1:]
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones(height * width), down.ravel(), across.ravel()], axis=1)
    flat = planes.reshape(len(planes), -1)
    return (flat.T - terms @ np.linalg.lstsq(terms, flat.T, rcond=None)[0]).T.reshape(planes.shape)


def _autocovariance(planes: np.ndarray) -> np.ndarray:
    """Return the mean products of pixels at distances up to 16, (C, C, 33, 33)."""
    size = [n + _FARTHEST for n in planes.shape[1:]]
    waves = np.fft.rfft2(planes, size)
    products = np.fft.irfft2(waves.conj()[:, None] * waves[None], size)
    lags = np.arange(-_FARTHEST, _FARTHEST + 1)
    counts = np.multiply.outer(*(n - np.abs(lags) for n in planes.shape[1:]))
    return products[..., lags[:, None], lags] / counts


def _clear(lags: np.ndarray, pixels: int) -> np.ndarray:
    """Return an autocovariance up to the distance beyond which no value is clearly above chance."""
    variances = np.einsum("cc->c", lags[..., _FARTHEST, _FARTHEST])
    scale = np.sqrt(np.multiply.outer(variances, variances)).clip(1e-300)[..., None, None]
    error = np.sqrt(np.square(lags / scale).sum((2, 3), keepdims=True) / pixels)
    rows, columns = np.nonzero((np.abs(lags / scale) > _SURE * error).any((0, 1)))
    reach = int(max(np.abs(rows - _FARTHEST).max(), np.abs(columns - _FARTHEST).max()))
    near = slice(_FARTHEST - reach, _FARTHEST + reach + 1)
    return lags[..., near, near]


def octave_spectrum(densities: Tensor, frequency: Tensor) -> Tensor:
    """Interpolate the spectral densities of octaves, (K, C, C), at frequencies in cycles per pixel, any shape.

    Returns:
        Shape (..., C, C): the square of the interpolated roots, so that it is positive semidefinite.
    """
    values, vectors = torch.linalg.eigh(densities)
    roots = (vectors * values.clamp_min(0).sqrt()[:, None, :]) @ vectors.mT
    place = torch.log2(OCTAVE / frequency).clamp(0, len(roots) - 1)
    lower = place.floor().long()
    share = (place - lower)[..., None, None]
    root = roots[lower] * (1 - share) + roots[(lower + 1).clamp_max(len(roots) - 1)] * share
    return root @ root
