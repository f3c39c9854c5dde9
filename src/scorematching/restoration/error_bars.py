"""Error bars: the posterior standard deviation of each denoised pixel."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.images.arrays import from_planes
from scorematching.images.validity import can_be_noisy
from scorematching.noise import Stabilizer
from scorematching.priors.base import Prior
from scorematching.priors.field import FieldPrior
from scorematching.priors.slopes import Slopes, exact_slope, probed_slopes
from scorematching.restoration.clipping import unclipped
from scorematching.restoration.color import is_mixed, opponent, posterior_mean, variance_of_colors
from scorematching.restoration.contrast import Extent
from scorematching.restoration.in_metric import in_metric_variance, is_in_metric
from scorematching.restoration.missing import Known
from scorematching.restoration.neighbors import check_alone
from scorematching.runtime.origin import Origin
from scorematching.runtime.progress import ProgressCallback, subtask

#: Side in pixels of the squares in which slopes are fitted by the noise that passes through, and the variance of that
#: noise below which a fit has no gradient.
_AROUND, _EQUAL = 15, 1e-4
#: Standard deviation of the consistency of a trained prior about 1, and its maximum difference from 1.
_INCONSISTENT, _MOST = 0.02, 0.05
#: Number of nodes of the integral over the posterior of a stabilized pixel.
_NODES = 5


def check_error_bars(prior: Prior, method: str) -> None:
    """Raise ``ValueError`` if a method gives no error bars.

    Example:
        >>> from scorematching.priors import FieldConfig
        >>> check_error_bars(FieldPrior(FieldConfig(filters=8, size=3), noise=0.1), "auto")
    """
    check_alone(prior, "error bars")
    if method == "map" or prior.noise is None:
        which = "this prior was trained on clean images" if prior.noise is None else f"method is {method!r}"
        raise ValueError(
            f"error bars need Tweedie's formula and a prior of noisy images, and {which}: leave out return_std (--std)"
        )


def posterior_variance(
    prior: Prior,
    seed: int,
    y: Tensor,
    level: float,
    progress: ProgressCallback | None = None,
    *,
    extent: Extent | None = None,
    origin: Origin | None = None,
) -> Tensor:
    """Return the posterior variance of each value of denoised planes, ``sigma^2 (1 - sigma^2 H_ii)``.

    ``H`` is the Hessian of the energy of the noisy image. The limits of :func:`scorematching.denoise` apply: a spike is
    not denoised, so its variance is that of the noise. Below the usable level, the step is scaled. Values that were
    clipped to the range are drawn again first, with the same seed as in denoising.

    Args:
        prior: A prior of noisy images.
        seed: Seed of the probes.
        y: Noisy planes of one image, shape (C, 1, H, W), with white at 1.
        level: Noise level, with white at 1.
        progress: Called after each product or tile.
        extent: Range of the values of the image. By default that of ``y``.
        origin: Random numbers of the pixels, for the noise that is drawn for clipped ones.

    Example:
        >>> from scorematching.priors import FieldConfig
        >>> prior = FieldPrior(FieldConfig(filters=8, size=3), noise=0.1)
        >>> variance = posterior_variance(prior, 0, torch.rand(1, 1, 20, 30), level=0.1)
        >>> bool(((variance >= 0) & (variance <= 0.1**2)).all())
        True
    """
    extent = extent or Extent.of(y)
    calm, used = extent.without_spikes(y, level), extent.usable_level(level)
    seen = calm
    if extent.ends:
        x = posterior_mean(calm, used, prior)
        seen = unclipped(calm, x, used, origin, extent.ends)
    counted = can_be_noisy(calm)
    relative = _relative_variance(prior, seed, seen / used, counted, progress)
    variance = level**2 * (1 - (level / used) ** 2 * (1 - relative))
    return torch.where(calm == y, variance, level**2)


def _relative_variance(
    prior: Prior, seed: int, y: Tensor, counted: Tensor, progress: ProgressCallback | None
) -> Tensor:
    """Return the posterior variance of planes with noise of level 1; the colors as in :func:`posterior_mean`."""
    generator = torch.Generator().manual_seed(seed)
    if is_in_metric(prior):
        return in_metric_variance(y, prior, generator, progress)
    if prior.config.colors > 1:
        return prior.arrange(_of_arranged(prior, generator, prior.arrange(y), counted, progress))
    mixed = opponent(y) if is_mixed(y, prior) else y
    parts = [
        _of_arranged(prior, generator, plane, counted, subtask(progress, number, number + 1, parts=len(y)))
        for number, plane in enumerate(mixed.split(1))
    ]
    return variance_of_colors(torch.cat(parts)) if is_mixed(y, prior) else torch.cat(parts)


def _of_arranged(
    prior: Prior, generator: torch.Generator, y: Tensor, counted: Tensor, progress: ProgressCallback | None
) -> Tensor:
    """Return the posterior variance of planes with noise of level 1, (N, C, H, W), as arranged by the prior."""
    if isinstance(prior, FieldPrior):
        return exact_slope(prior, y, progress).clamp(0, 1)
    slopes = probed_slopes(prior, y, generator, progress)
    removed = (1 - slopes.slope) / _consistency(slopes, counted)
    return torch.maximum(_guided(1 - removed, slopes.passed), slopes.passed).clamp(0, 1)


def _consistency(slopes: Slopes, counted: Tensor) -> float:
    """Return ``|x - y|^2 / sum_i (1 - J_ii)`` for noise of level 1, which is 1 on average for the true density.

    A prior that was trained for several levels is not sure of the level, and removes a little less noise than the true
    density. For flat regions, where nearly all noise is removed, that is much of the predicted variance. The estimate
    from one image is drawn to 1 by its standard error.
    """
    if not bool(counted.any()):
        return 1.0
    step, removed = (values[..., counted] for values in (slopes.step, 1 - slopes.slope))
    found = float(step.double().square().mean() / removed.double().mean())
    sure = _INCONSISTENT**2 / (_INCONSISTENT**2 + 2 / step.numel())
    return 1 + min(max(sure * (found - 1), -_MOST), _MOST)


def _guided(slope: Tensor, passed: Tensor) -> Tensor:
    """Reduce the random part of slopes by a guided filter (He, Sun & Tang 2010).

    The slopes of a network vary at random, and random signs add to that. Groups of pixels with small slopes would
    select such errors. The noise that passes through has hardly any random part, because it is a sum of squares. Around
    each pixel, the slopes are fitted by a linear function of it.
    """

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, _AROUND, 1, _AROUND // 2, count_include_pad=False)

    of_slope, of_passed = mean(slope), mean(passed)
    gradient = mean(slope * passed) - of_slope * of_passed
    gradient /= (mean(passed.square()) - of_passed.square()).clamp_min(0) + _EQUAL
    return mean(gradient) * passed + mean(of_slope - gradient * of_passed)


def deviation_of_clean(stabilizer: Stabilizer, x: Tensor, deviation: Tensor) -> Tensor:
    """Return the standard deviation of the clean planes, given that of the stabilized ones.

    The inverse ``g`` of the stabilizer is not linear. ``E (g(x + s z) - g(x))^2`` over a standard normal ``z`` is
    computed by Gauss-Hermite quadrature, where ``s`` is the standard deviation of the stabilized pixel.

    Args:
        stabilizer: The map that stabilized the noise.
        x: Denoised stabilized planes.
        deviation: Their standard deviation, of the same shape.

    Example:
        >>> from scorematching.noise import GaussianNoise
        >>> found = deviation_of_clean(GaussianNoise(2.0).stabilizer(255), torch.zeros(1, 2), torch.ones(1, 2))
        >>> torch.allclose(found, torch.ones(1, 2).double())
        True
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    middle, variance = stabilizer.inverse(x).double(), torch.zeros(x.shape, dtype=torch.float64)
    for node, weight in zip(nodes.tolist(), (weights / math.sqrt(2 * math.pi)).tolist(), strict=True):
        away = stabilizer.inverse(x + node * deviation).double() - middle
        variance += weight * away.square().cpu()
    return variance.sqrt()


def as_image(known: Known, deviation: Tensor) -> np.ndarray:
    """Return error bars as an array of the image's shape, float32, in its units.

    Missing pixels are NaN, and alpha is 0.
    """
    planes = known.planes
    alpha = None if planes.alpha is None else np.zeros(planes.alpha.shape, np.float32)
    result = from_planes(replace(planes, dtype=np.dtype(np.float32), alpha=alpha), deviation.expand_as(planes.data))
    colors = result if alpha is None else result[..., :-1]
    colors[~known.mask.numpy()] = np.nan
    return result
