"""Straight line of the noise variance over brightness, fitted to blocks of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scorematching.noise.base import NoiseModel
from scorematching.noise.gaussian import GaussianNoise
from scorematching.noise.poisson_gaussian import LARGEST_READ, PoissonGaussianNoise

#: Number of reweighted fits, and the distance, in standard deviations, from which the pull of a block is limited.
_FITS, _HUBER = 12, 3.0
#: Standard deviation of the relative error of ``doubtful`` of a block, for the weights.
_SCATTER = 3.0
#: Increase of the variance over the range of brightness, relative to its mean, below which noise counts as white.
_WHITE = 1e-2
#: Distance of the lowest values from the offset, in multiples of the read noise; their distance beyond it, in photons,
#: that an offset does not explain; their distance above the offset without read noise, in photons, up to which they
#: tell the read noise; and the fraction of it that is taken, because too high an offset clips dark pixels.
_TAIL, _BELOW, _NEAR, _SAFE = 2.4, 0.75, 4.0, 0.85
#: Lower bound on the variance of a block, relative to the median variance, so that weights stay finite.
_LEAST = 0.02


class Blocks(NamedTuple):
    """Statistics of blocks of pixels, each of shape (N,).

    Attributes:
        brightness: Mean of the pixels.
        variance: Estimate of the mean noise variance.
        freedom: Degrees of freedom of ``variance``.
        doubtful: Part of ``variance`` that may be wrong in proportion, such as a model of texture.
        error: Variance of ``brightness`` around the true mean, relative to the noise variance of a pixel.
        cluster: Numbers from 0; the errors of blocks with different numbers are independent.
    """

    brightness: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray
    doubtful: np.ndarray
    error: np.ndarray
    cluster: np.ndarray


@dataclass(frozen=True, eq=False)
class VarianceLine:
    """Variance of the noise of a pixel of brightness ``x``: ``gain x + intercept``.

    For Poisson-Gaussian noise the intercept is ``sigma^2 - gain offset``. The offset and the read noise ``sigma`` are
    identifiable together only.

    Attributes:
        gain: Slope.
        intercept: Variance at brightness 0; it may be negative.
        covariance: Covariance of the errors of ``gain`` and ``intercept``, shape (2, 2).

    Example:
        >>> line = VarianceLine(2.0, -200.0, np.diag([0.01, 9.0]))
        >>> line.at(150.0), line.error_at(0.0), str(line.model(100.0, 300.0))
        (100.0, 3.0, 'gain 2, read noise 0, offset 100')
    """

    gain: float
    intercept: float
    covariance: np.ndarray

    def at(self, brightness: float) -> float:
        """Return the variance at a brightness."""
        return self.gain * brightness + self.intercept

    def error_at(self, brightness: float) -> float:
        """Return the standard error of the variance at a brightness."""
        direction = np.array([brightness, 1.0])
        return math.sqrt(max(float(direction @ self.covariance @ direction), 0.0))

    @property
    def gain_error(self) -> float:
        """Standard error of the gain."""
        return math.sqrt(max(float(self.covariance[0, 0]), 0.0))

    def model(self, dark: float, bright: float, lowest: float = math.inf) -> NoiseModel:
        """Return a noise model with this line.

        The offset is 0 if the intercept is 0 or more, and otherwise the read noise is 0. An image with pixels below 0
        has its darkest value as offset, as far as the read noise allows. If the variance is negative at ``dark``, the
        line is raised to 0 there. Noise that does not grow with brightness is white.

        Few photons and read noise look different, though their variance is the same: only read noise goes below the
        offset. So if ``lowest`` is near the offset without read noise, or too far below the offset, a read noise ``s``
        is taken, in photons, for which ``lowest`` is ``2.4 s`` below the offset. The offset is at most ``dark``.

        Args:
            dark: Brightness of the darkest pixels.
            bright: Brightness of the brightest pixels.
            lowest: Value of the lowest noisy pixels.
        """
        middle = max(self.at((dark + bright) / 2), 0.0)
        if self.gain * (bright - dark) <= _WHITE * middle:
            return GaussianNoise(math.sqrt(middle))
        intercept = max(self.intercept, -self.gain * dark)
        silent = -intercept / self.gain  # the offset without read noise
        offset = max(silent, min(0.0, dark)) if intercept >= 0 else silent
        beyond = lowest < offset - _TAIL * math.sqrt(self.gain * (offset - silent)) - _BELOW * self.gain
        if beyond or (intercept < 0 and lowest < silent + _NEAR * self.gain):
            tail = (_TAIL + math.sqrt(max(_TAIL**2 - 4 * (silent - lowest) / self.gain, 0.0))) / 2
            read = _SAFE * min(tail, math.sqrt(max(dark - silent, 0.0) / self.gain))
            offset = max(offset, silent + read**2 * self.gain)
        sigma = math.sqrt(max(self.gain * (offset - silent), 0.0))
        return (
            PoissonGaussianNoise(self.gain, offset, sigma) if sigma < LARGEST_READ * self.gain else GaussianNoise(sigma)
        )


def fit_line(blocks: Blocks, doubt: float = 0.0) -> VarianceLine:
    """Fit the variance of the noise over brightness, by least squares with limited pull of outliers.

    A block has the weight of its expected variance, ``(2 v^2 + gain^2 v) / freedom``, with the excess of a Poisson
    count. The normal equations are corrected for the errors of ``brightness``. The covariance is the sandwich estimate
    over clusters (White 1980; Liang & Zeger 1986). To it is added what the line would change if ``doubtful`` were wrong
    by the fraction ``doubt``, independently among dark, middle and bright blocks.

    Args:
        blocks: Statistics of the blocks.
        doubt: Standard deviation of the relative error of ``doubtful``.

    Raises:
        ValueError: There are fewer than three blocks.

    Example:
        >>> x = np.linspace(10, 90, 50)
        >>> line = fit_line(Blocks(x, 2 * x + 5, np.full(50, 60.0), 0 * x, 0 * x, np.arange(50)))
        >>> round(line.gain, 6), round(line.intercept, 6)
        (2.0, 5.0)
    """
    if len(blocks.variance) < 3:
        raise ValueError(f"a line needs 3 blocks or more, got {len(blocks.variance)}")
    # All variances are divided by their median, and brightness by its root: the gain of a Poisson count scales alike.
    level = float(np.median(blocks.variance)) or 1.0
    root = math.sqrt(level)
    brightness = blocks.brightness / root
    middle = float(np.mean(brightness))
    scaled = blocks._replace(brightness=brightness, variance=blocks.variance / level, doubtful=blocks.doubtful / level)
    coefficients, covariance = _solved(scaled, middle, doubt)
    back = np.diag([root, level]) @ [[1.0, 0.0], [-middle, 1.0]]  # from the value at ``middle`` to that at 0
    gain, intercept = back @ coefficients
    return VarianceLine(float(gain), float(intercept), back @ covariance @ back.T)


def joined(parts: Sequence[Blocks]) -> Blocks:
    """Join blocks of which those of different parts have independent errors."""
    firsts = np.cumsum([0, *(1 + part.cluster.max(initial=-1) for part in parts[:-1])])
    parts = [part._replace(cluster=part.cluster + first) for part, first in zip(parts, firsts, strict=True)]
    return Blocks(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _solved(blocks: Blocks, middle: float, doubt: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the gain and the variance at brightness ``middle``, and their covariance, for a median variance of 1."""
    design = np.stack([blocks.brightness - middle, np.ones_like(blocks.brightness)], 1)
    coefficients = np.array([0.0, 1.0])
    for _ in range(_FITS):
        fitted = np.maximum(design @ coefficients, _LEAST)
        gain = max(coefficients[0], 0.0)
        scale = np.sqrt((2 * fitted**2 + gain**2 * fitted) / blocks.freedom + (_SCATTER * blocks.doubtful) ** 2)
        off = np.abs(blocks.variance - design @ coefficients) / scale
        weights = np.minimum(1, _HUBER / np.maximum(off, _HUBER)) / scale**2
        # Errors of brightness widen its spread, and those of a Poisson count go along with errors of the variance.
        spread = weights * blocks.error * fitted
        along = spread * gain * np.clip(gain * blocks.brightness / fitted, 0, 1)
        normal = design.T @ (weights[:, None] * design) - np.diag([spread.sum(), 0])
        coefficients = np.linalg.solve(normal, design.T @ (weights * blocks.variance) - [along.sum(), 0])
    pulls = (weights * (blocks.variance - design @ coefficients))[:, None] * design
    pulls[:, 0] += spread * coefficients[0] - along
    clusters = _sums(pulls, blocks.cluster)
    used = len(np.unique(blocks.cluster))
    third = np.searchsorted(np.quantile(blocks.brightness, (1 / 3, 2 / 3)), blocks.brightness)
    doubts = doubt * _sums((weights * blocks.doubtful)[:, None] * design, third)
    inverse = np.linalg.inv(normal)
    outer = used / max(used - 2, 1) * clusters.T @ clusters + doubts.T @ doubts
    return coefficients, inverse @ outer @ inverse


def _sums(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the sums of rows, (N, 2), over groups."""
    sums = np.zeros((int(groups.max()) + 1, 2))
    np.add.at(sums, groups, values)
    return sums
