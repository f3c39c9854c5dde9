"""Noise levels that a prior was trained for, and its origin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching._version import __version__
from scorematching.layers.metric import checked_autocovariance
from scorematching.noise import GaussianNoise, as_noise_model
from scorematching.runtime.arguments import check_count, check_flag, check_positive, shown


@dataclass(frozen=True)
class TrainedNoise:
    """Gaussian noise of the images whose density a prior models, with white at 1.

    Args:
        sigma: Noise level of the modeled density. For an image of another level, the contrast is rescaled.
        lowest: Lowest noise level that the prior was trained for; ``sigma`` by default.
        highest: Highest noise level that the prior was trained for; ``sigma`` by default.
        blind: Whether the prior was also trained on images with less noise than the stated level.
        correlation: Autocovariance of the noise, divided by its mean variance: nested sequences or a tensor of shape
            (k, k) or (C, C, k, k), as in :class:`scorematching.layers.Metric`. ``None`` for white noise.

    Raises:
        ValueError: A level is not above 0, ``lowest`` is above ``highest``, or ``correlation`` is not an autocovariance
            of mean variance 1.

    Example:
        >>> TrainedNoise(0.1).highest
        0.1
        >>> TrainedNoise(0.1, correlation=[[0.0, 0.3, 0.0], [0.3, 1.0, 0.3], [0.0, 0.3, 0.0]]).reach
        1
    """

    sigma: float
    lowest: float | None = None
    highest: float | None = None
    blind: bool = False
    correlation: Any = None

    def __post_init__(self) -> None:
        for name in ("sigma", "lowest", "highest"):
            given = getattr(self, name)
            object.__setattr__(self, name, check_positive(name, self.sigma if given is None else given))
        if self.range[0] > self.range[1]:
            raise ValueError(f"lowest must not be above highest, got {self.lowest} and {self.highest}")
        check_flag("blind", self.blind)
        if self.correlation is not None:
            kernel = checked_autocovariance(_as_kernel(self.correlation))
            if not math.isclose(variance := _mean_variance(kernel), 1, rel_tol=1e-6):
                raise ValueError(f"correlation must have a mean variance of 1, got {variance:.4g}: divide by it")
            object.__setattr__(self, "correlation", _as_tuples(kernel.tolist()))

    @classmethod
    def with_autocovariance(cls, autocovariance: Tensor) -> TrainedNoise:
        """Return correlated noise of one level.

        Args:
            autocovariance: Autocovariance of the noise, with white at 1, shape (k, k) or (C, C, k, k).

        Raises:
            ValueError: It is not an autocovariance, or its variance is 0.

        Example:
            >>> TrainedNoise.with_autocovariance(torch.tensor([[0.04]], dtype=torch.float64)).sigma
            0.2
        """
        kernel = checked_autocovariance(autocovariance.double())
        if (variance := _mean_variance(kernel)) <= 0:
            raise ValueError(f"an autocovariance must have a mean variance above 0, got {variance:.4g}")
        return cls(math.sqrt(variance), correlation=kernel / variance)

    @property
    def kernel(self) -> Tensor | None:
        """``correlation`` as a float64 tensor, (C, C, k, k), or ``None``."""
        return None if self.correlation is None else torch.tensor(self.correlation, dtype=torch.float64)

    @property
    def reach(self) -> int:
        """Distance in pixels beyond which the noise is independent; 0 for white noise."""
        return 0 if self.correlation is None else len(self.correlation[0][0]) // 2

    @property
    def neighbors(self) -> float:
        """Correlation of horizontal and vertical neighbors, mean over the channels; 0 for white noise."""
        kernel, m = self.kernel, self.reach
        if kernel is None or not m:
            return 0.0
        own = kernel.diagonal(dim1=0, dim2=1)  # (k, k, C)
        return float((own[m, m + 1] + own[m + 1, m]).mean() / 2)

    def correlated(self, planes: Tensor) -> Tensor:
        """Return ``Sigma / sigma^2`` times planes, (N, C, H, W); white noise returns the planes themselves."""
        kernel = self.kernel
        return planes if kernel is None else F.conv2d(planes, kernel.to(planes), padding=self.reach)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest level."""
        return self.lowest or self.sigma, self.highest or self.sigma

    @property
    def is_wide(self) -> bool:
        """True for white noise whose highest level is at least four times the lowest, as annealing needs."""
        low, high = self.range
        return self.correlation is None and 4 * low <= high

    @property
    def keeps_turned(self) -> bool:
        """True if rotating and reflecting an image does not change the correlation of its noise."""
        kernel = self.kernel
        return kernel is None or all(
            torch.allclose(kernel, turned, atol=1e-6) for turned in (kernel.rot90(1, (2, 3)), kernel.flip(3))
        )


def _mean_variance(kernel: Tensor) -> float:
    """Return the mean over the channels of the variance, for an autocovariance (C, C, k, k)."""
    middle = kernel.shape[-1] // 2
    return float(kernel[:, :, middle, middle].diagonal().mean())


def _as_tuples(values: Any) -> Any:
    """Return nested lists as nested tuples, which can be compared and hashed."""
    return tuple(map(_as_tuples, values)) if isinstance(values, list) else values


def _as_kernel(correlation: Any) -> Tensor:
    """Return a correlation as a tensor, float64."""
    if not isinstance(correlation, Sequence | Tensor | np.ndarray) or isinstance(correlation, str | bytes):
        raise TypeError(f"correlation must be nested sequences of numbers or a tensor, got {shown(correlation)}")
    return torch.as_tensor(correlation, dtype=torch.float64)


def as_trained_noise(noise: float | GaussianNoise | TrainedNoise | None) -> TrainedNoise | None:
    """Return the noise of a prior: from a level with white at 1, a model, or ``None`` for clean images.

    Raises:
        TypeError: It is none of these.
        ValueError: The level is not above 0.

    Example:
        >>> as_trained_noise(0.1).range
        (0.1, 0.1)
    """
    if noise is None or isinstance(noise, TrainedNoise):
        return noise
    model = as_noise_model(noise)
    if not isinstance(model, GaussianNoise):
        raise TypeError(f"a prior models white Gaussian noise, got {model}: pass the level of the stabilized images")
    return TrainedNoise(model.sigma)


@dataclass(frozen=True)
class Provenance:
    """Origin of a prior.

    Attributes:
        data: Training data, in words.
        steps: Number of training steps; 0 for a prior that was not trained.
        seed: Seed of the training.
        lam: Weight of the regularizer, in units of the squared ``unit`` of the prior.
        version: Version of this library.
    """

    data: str = "none"
    steps: int = 0
    seed: int = 0
    lam: float = 0.0
    version: str = __version__

    def __post_init__(self) -> None:
        for name in ("steps", "seed"):
            object.__setattr__(self, name, check_count(name, getattr(self, name), 0))
        object.__setattr__(self, "lam", check_positive("lam", self.lam, zero=True))
        for name in ("data", "version"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be text, got {getattr(self, name)!r}")
