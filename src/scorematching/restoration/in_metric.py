"""Denoising with a prior of correlated noise: Tweedie's formula in the metric of the noise, and its noise levels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.images.wavelet_noise import level_of_planes, wavelet_response
from scorematching.noise import CorrelatedNoise, GaussianNoise, NoiseModel, Stabilizer
from scorematching.priors.base import Prior
from scorematching.priors.posterior import tweedie
from scorematching.runtime.origin import Origin
from scorematching.runtime.progress import ProgressCallback, subtask

#: Difference of two correlations, at any distance, from which on a warning is given.
_DIFFERENCE = 0.15
#: Number of random signs for error bars, the step along them as a fraction of the noise level, and the side in pixels
#: of the squares over which their products are averaged.
_PROBES, _STEP, _AROUND = 12, 0.1, 15


def is_in_metric(prior: Prior) -> bool:
    """Return True for a prior of correlated noise, which denoises in the metric of this noise."""
    return prior.noise is not None and prior.noise.correlation is not None


def check_metric(prior: Prior, method: str, self_ensemble: bool) -> None:
    """Raise ``ValueError`` if a prior of correlated noise does not suit the options of denoising."""
    if prior.noise is None or prior.noise.correlation is None:
        return
    if method == "map":
        raise ValueError("MAP takes white noise, and this prior was trained on correlated noise: use method='tweedie'")
    if self_ensemble and not prior.noise.keeps_turned:
        raise ValueError(
            "a self-ensemble turns the image, and the correlation of the noise that this prior was trained on depends "
            "on the direction: leave out self_ensemble (--self-ensemble)"
        )


@dataclass(frozen=True)
class ChannelLevels(Stabilizer):
    """Map of planes to planes whose noise has one level, for a level of each plane.

    Attributes:
        levels: Noise level of each plane, with white at 1.

    Example:
        >>> levels = ChannelLevels((0.1, 0.2))
        >>> levels.level, levels.inverse(levels.forward(torch.ones(2, 1, 3, 3)))[1].mean().item()
        (0.2, 1.0)
    """

    levels: tuple[float, ...]

    @property
    def level(self) -> float:
        """Highest level of a plane."""
        return max(self.levels)

    def forward(self, planes: Tensor, origin: Origin | None = None) -> Tensor:
        """Raise the contrast of planes with less noise."""
        return planes / self._contrast(planes)

    def mean(self, planes: Tensor) -> Tensor:
        """Return the same as :meth:`forward`."""
        return self.forward(planes)

    def inverse(self, planes: Tensor) -> Tensor:
        """Return planes at their own contrast."""
        return planes * self._contrast(planes)

    def _contrast(self, planes: Tensor) -> Tensor:
        if not self.level:
            return planes.new_ones(1)
        return (planes.new_tensor(self.levels) / self.level).clamp_min(1e-6)[:, None, None, None]


def levels_in_metric(noise: NoiseModel, y: Tensor, prior: Prior, data_range: float) -> ChannelLevels:
    """Return the noise levels of planes, for a prior of correlated noise.

    White noise stands for noise of this level and the correlation of the prior. A warning is given if the correlation
    of the noise differs from that of the prior.

    Args:
        noise: Noise, in the units of the image.
        y: Planes, (C, 1, H, W).
        prior: A prior of correlated noise.
        data_range: Value of white in the image.

    Raises:
        ValueError: The noise is of another kind.
    """
    if isinstance(noise, GaussianNoise):
        return ChannelLevels((noise.sigma / data_range,) * len(y))
    if not isinstance(noise, CorrelatedNoise):
        raise ValueError(
            f"this prior was trained on correlated noise, and the noise is {noise}: take a prior of white noise, such "
            "as natural-gray, or pass CorrelatedNoise"
        )
    levels, difference = _compared(noise.for_channels(len(y)) / data_range**2, prior)
    if difference > _DIFFERENCE:
        warnings.warn(
            f"the correlation of the noise differs by {difference:.2f} from that of the noise that the prior was "
            "trained on; the prior takes its own: train one on this noise, or take a prior of white noise, such as "
            "natural-gray",
            stacklevel=3,
        )
    return ChannelLevels(tuple(levels.tolist()))


def noise_of_prior(
    found: NoiseModel, planes: Tensor, noisy: Tensor, prior: Prior, data_range: float
) -> CorrelatedNoise | GaussianNoise:
    """Return the noise of an image, with levels within the range that a prior of correlated noise was trained for.

    It is the noise that was found, if it has about the correlation of the prior. Otherwise it has the correlation of
    the prior, and the level of each channel is the wavelet estimate.

    Args:
        found: Noise that was found, in the units of the image.
        planes: Planes of the image, (C, 1, H, W), with white at 1.
        noisy: Pixels that can be noisy, shape (H, W).
        prior: A prior of correlated noise.
        data_range: Value of white in the image.
    """
    assert prior.noise is not None
    assert prior.noise.kernel is not None
    kernel, (low, high) = prior.noise.kernel.numpy(), prior.noise.range
    if isinstance(found, CorrelatedNoise):
        whole = found.for_channels(len(planes))
        levels, difference = _compared(whole / data_range**2, prior)
        if difference <= _DIFFERENCE and levels.all():
            factors = np.clip(levels, low, high) / levels
            return CorrelatedNoise(np.einsum("c,d,cdij->cdij", factors, factors, whole))
    responses = [wavelet_response(kernel[c, c]) for c in range(len(kernel))]
    levels = np.array([level_of_planes(plane[None], noisy) for plane in planes]) / np.mean(responses)
    if not levels.any():
        return GaussianNoise(0.0)
    if len(kernel) > 1:
        return CorrelatedNoise((data_range * np.clip(levels.mean(), low, high)) ** 2 * kernel)
    variances = np.clip(levels, low, high) ** 2
    return CorrelatedNoise(data_range**2 * np.einsum("c,cd,ij->cdij", variances, np.eye(len(planes)), kernel[0, 0]))


def in_metric_variance(
    y: Tensor, prior: Prior, generator: torch.Generator, progress: ProgressCallback | None = None
) -> Tensor:
    """Return the posterior variance of planes, (C, 1, H, W), with noise of level 1 and the correlation of a prior.

    It is the diagonal of ``J Sigma``, where ``J`` is the Jacobian of Tweedie's formula. It is estimated by finite
    differences along random signs, averaged over squares of 15 pixels.
    """
    arranged = prior.arrange(y)
    assert prior.noise is not None
    assert prior.noise.kernel is not None
    largest = torch.einsum("ccij->cij", prior.noise.kernel)[:, prior.noise.reach, prior.noise.reach].to(y)
    x, total = tweedie(arranged, 1.0, prior), torch.zeros_like(arranged)
    for probe in range(_PROBES):
        signs = (torch.randint(2, arranged.shape, generator=generator) * 2 - 1).to(arranged)
        near = arranged + _STEP * prior.noise.correlated(signs)
        ahead = tweedie(near, 1.0, prior, subtask(progress, probe, probe + 1, parts=_PROBES))
        total += signs * (ahead - x) / (_STEP * _PROBES)
    local = F.avg_pool2d(total, _AROUND, 1, _AROUND // 2, count_include_pad=False)
    return prior.arrange(torch.minimum(local.clamp_min(0), largest[:, None, None]))


def _compared(kernel: np.ndarray, prior: Prior) -> tuple[np.ndarray, float]:
    """Return the level of each channel, and the largest difference of the correlation from that of a prior.

    For a color prior, all channels have the same level, the root of the mean variance. For a grayscale prior, the
    correlation is the mean of that of the channels.

    Args:
        kernel: Autocovariance of the noise, (C, C, n, n), with white at 1.
        prior: A prior of correlated noise.
    """
    assert prior.noise is not None
    assert prior.noise.kernel is not None
    own, middle = prior.noise.kernel.numpy(), kernel.shape[-1] // 2
    variances = np.einsum("ccij->cij", kernel)[:, middle, middle]
    if prior.config.colors > 1:
        mean = variances.mean()
        return np.full(len(kernel), mean**0.5), _difference(kernel / mean, own) if mean else 0.0
    channels = [kernel[c, c] / variance for c, variance in enumerate(variances) if variance > 0]
    return np.sqrt(variances), _difference(np.mean(channels, axis=0), own[0, 0]) if channels else 0.0


def _difference(kernels: np.ndarray, own: np.ndarray) -> float:
    """Return the largest difference of correlations, (..., n, n), from the own one, (..., m, m)."""
    side = max(kernels.shape[-1], own.shape[-1])
    wide = [np.pad(k, [(0, 0)] * (k.ndim - 2) + [((side - k.shape[-1]) // 2,) * 2] * 2) for k in (kernels, own)]
    return float(np.abs(wide[0] - wide[1]).max())
