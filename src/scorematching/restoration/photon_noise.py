"""Noise that grows with brightness, found from one image by expectation maximization with a prior."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.noise.base import Stabilizer
from scorematching.noise.estimate import LOWEST, NOTHING, NoiseEstimate, estimate_of_line
from scorematching.noise.gaussian import GaussianNoise
from scorematching.noise.line import Blocks, VarianceLine, fit_line, joined
from scorematching.noise.saturation import saturation
from scorematching.priors.base import Prior
from scorematching.priors.devices import move
from scorematching.priors.neighbors import prior_alone
from scorematching.priors.posterior import tweedie
from scorematching.restoration.choice import PriorChoice, prior_for_planes
from scorematching.restoration.color import distinct
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.noise_blocks import LEAST_BLOCKS, SIDE, Square, pooled, squares_of, without_lowest
from scorematching.runtime.kinds import check_arguments

#: Number of blocks along the side of a cluster, whose errors may be correlated.
_CLUSTER = 4
#: Noise level, for white at 1, below which no noise is found.
_LOWEST_LEVEL = 1e-7
#: Maximum number of steps, and the relative change of the variance at which they end.
_STEPS, _SETTLED = 6, 0.005
#: Factor of the first line. From below, the iteration would end where the prior takes noise for texture.
_FIRST = 1.3
#: Noise level, as a fraction of the range, above which the contrast is lower than priors were trained on. There a prior
#: that is told a little less noise than there is takes noise for texture, so it is told more, by this factor.
_TRAINED, _ABOVE = 0.2, 1.1
#: Step of the finite difference for the divergence, as a fraction of the noise level.
_STEP = 0.1
#: Divergences of Tweedie's formula, and what the variance is corrected by there, in multiples of divergence and noise
#: variance, where the prior is told more noise. Measured with natural-gray on 10 images of BSD68.
_DIVERGENCES, _CORRECTIONS = (0.08, 0.13), (1.4, 0.75)
#: Standard deviation of the relative error of the posterior variance, and of the variance at either end of brightness;
#: measured likewise.
_DOUBT, _FLOOR = 0.3, 0.03
#: Divergence below which a block counts as flat, and the fraction of flat blocks below which it is remarked.
_FLAT, _FEW = 0.15, 0.05
#: Minimum range of brightness, in standard deviations of the noise of a pixel.
_RANGE = 0.5
#: Relative difference of the gain from the distance of the lowest two values, up to which they are counts of 0 and 1
#: photons.
_OFF = 0.25


@torch.no_grad()
def estimate_photon_noise(
    image: np.ndarray,
    prior: PriorChoice = None,
    *,
    data_range: float | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> NoiseEstimate:
    """Estimate noise that grows with brightness from one image.

    The variance of Poisson-Gaussian noise is a straight line over brightness. The line is fitted to blocks of 8 x 8
    pixels. Their variance alone would mistake texture for noise, so the texture is removed first, by Tweedie's formula
    for stabilized pixels. Expectation maximization (Dempster, Laird & Rubin 1977) alternates::

        x = E[x | y],    gain x + intercept  <-  (y - x)^2 + (gain x + intercept) div x

    The last term is the posterior variance of the clean pixel. Its coefficient is corrected for shipped priors, which
    are not exact. The first line comes from the high-passed image.

    The offset and the read noise are identifiable together only, by the intercept of the line,
    ``sigma^2 - gain offset``. This is all that the transform of
    :class:`~scorematching.noise.PoissonGaussianNoise` needs, except for very few photons. The offset is taken as 0 if
    the intercept is 0 or more. Otherwise the read noise is taken as 0, or estimated roughly from the lowest values if
    these are near the offset. Dark frames tell the two apart: :func:`scorematching.noise.noise_of_frames`.

    Args:
        image: Image of shape (H, W) or (H, W, C), as in :func:`scorematching.images.to_planes`. All channels have the
            same noise. Four squares of 128 x 128 pixels of a large image are used.
        prior: As in :func:`scorematching.denoise`.
        data_range: Value of white in the image.
        seed: Seed of the random probes of the divergence.
        device: Device to compute on; the prior is moved there. By default the device of the prior.

    Returns:
        The noise, in the units of the image, with standard errors and remarks. It is white Gaussian noise if the
        image has no range of brightness, or if the noise does not grow with brightness.

    Raises:
        FileNotFoundError: There is no such prior.
        TypeError: The type of the image is not supported.
        ValueError: The shape of the image is not supported or does not fit the prior, or the prior is one of clean
            images.

    Example:
        >>> from scorematching.noise import PoissonGaussianNoise
        >>> scene = np.tile(np.linspace(20, 200, 96), (96, 1))
        >>> found = estimate_photon_noise(PoissonGaussianNoise(gain=2.0).simulate(scene), data_range=255)
        >>> 1.7 < found.noise.gain < 2.3, found.depends_on_brightness
        (True, True)
    """
    check_arguments(estimate_photon_noise, locals())
    planes, known = fill_missing(image, data_range)
    model = prior_alone(prior_for_planes(planes.data, prior))
    if model.noise is None:
        raise ValueError("the noise is estimated by a prior of noisy images; this one was trained on clean ones")
    data = distinct(planes.data, model).double()
    model.check_size(*data.shape[2:])
    pixels = data[known.expand_as(data)].numpy()
    white, black = saturation(pixels), -saturation(-pixels)
    squares = squares_of(data, ~known | (data >= white))
    if sum(int(square.used.sum()) for square in squares) < LEAST_BLOCKS:
        return NoiseEstimate(GaussianNoise(0.0), {}, (NOTHING,))
    lowest = float(np.quantile(pixels, LOWEST))
    generator = torch.Generator().manual_seed(seed)
    line = _first_line(squares)
    shares: list[list[Tensor]] = [[] for _ in squares]
    for _ in range(_STEPS):
        low, high = _ends(torch.cat([pooled(s.y)[s.used] for s in squares]).numpy())
        noise = line.model(low, high, lowest)
        stabilizer = noise.stabilizer(1.0)
        assert stabilizer is not None
        if stabilizer.level < _LOWEST_LEVEL:
            return NoiseEstimate(GaussianNoise(0.0), {}, ("No noise is found.",))
        parts = []
        for square, found in zip(squares, shares, strict=True):
            x, share = _denoised(square.y, stabilizer, model, generator, device)
            found.append(pooled(share))
            parts.append(
                _blocks(square, x, _smooth(torch.stack(found).mean(0), square.used), line, stabilizer.level > _TRAINED)
            )
        blocks = joined(parts)
        before, line = line, fit_line(blocks, _DOUBT)
        clipped = math.isfinite(black) and not _lowest_are_counts(pixels, black, line)
        squares = without_lowest(squares, black) if clipped else squares
        middle = float(np.median(blocks.brightness))
        places = (middle, float(np.quantile(blocks.brightness, 0.9)))
        if all(abs(line.at(place) - before.at(place)) <= _SETTLED * abs(line.at(place)) for place in places):
            break
    ends = [white] if math.isfinite(white) else []
    return _estimate(line, blocks, planes.data_range, lowest, [black, *ends] if clipped else ends)


def _first_line(squares: list[Square]) -> VarianceLine:
    """Return a line for the start: low quantiles of the high-passed image over brightness, times ``_FIRST``."""
    second = torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64)
    kernel = torch.outer(second, second)[None, None] / 6  # white noise keeps its level
    high = [F.conv2d(F.pad(s.y, [1, 1, 1, 1], mode="reflect"), kernel).square() for s in squares]
    variances = torch.cat([pooled(h)[s.used] for h, s in zip(high, squares, strict=True)]).numpy()
    means = torch.cat([pooled(s.y)[s.used] for s in squares]).numpy()
    groups = np.array_split(np.argsort(means), min(10, max(1, len(means) // 20)))
    at = np.array([means[group].mean() for group in groups])
    # The quantile 1/4 of the mean square of such a block is 0.8 times its mean.
    level = np.array([np.quantile(variances[group], 0.25) for group in groups]) / 0.8
    gain, intercept = 0.0, float(np.median(level))
    if len(groups) > 2 and level.max() > 0:
        gain, intercept = np.polyfit(at, level, 1, w=1 / np.maximum(level, 1e-2 * level.max()))
    if gain <= 0:
        gain, intercept = 0.0, float(np.median(level))
    return VarianceLine(_FIRST * gain, _FIRST * max(intercept, -0.9 * gain * at.min()), np.zeros((2, 2)))


def _denoised(
    y: Tensor, stabilizer: Stabilizer, prior: Prior, generator: torch.Generator, device: str | torch.device | None
) -> tuple[Tensor, Tensor]:
    """Return the clean planes, and the divergence of Tweedie's formula from one random probe, both as ``y``."""
    z = move(prior.arrange(stabilizer.forward(y.float())), prior, device)
    level = stabilizer.level * (_ABOVE if stabilizer.level > _TRAINED else 1)
    probe = (torch.randint(2, z.shape, generator=generator) * 2 - 1).to(z)
    x, ahead = (tweedie(near, level, prior) for near in (z, z + _STEP * level * probe))
    share = prior.arrange(probe * (ahead - x)).double().cpu() / (_STEP * level)
    return stabilizer.inverse(prior.arrange(x)).double(), share


def _blocks(square: Square, x: Tensor, share: Tensor, line: VarianceLine, weak: bool) -> Blocks:
    """Return the statistics of the used blocks, given the clean planes and the divergences of blocks."""
    expected = (line.gain * pooled(x) + line.intercept).clamp_min(0)
    posterior = share.clamp(0, 1) * expected
    if weak:
        posterior *= torch.from_numpy(np.interp(share.numpy(), _DIVERGENCES, _CORRECTIONS))
    variance = pooled((square.y - x).square()) + posterior
    rows, columns = (torch.arange(n) // _CLUSTER for n in share.shape[2:])
    clusters = (rows[:, None] * (int(columns.max()) + 1) + columns).expand_as(share)
    used, count = square.used, int(square.used.sum())
    statistics = (t[used].numpy() for t in (pooled(x), variance, share, posterior, clusters))
    brightness, found, divergence, doubtful, cluster = statistics
    freedom = SIDE**2 * np.maximum(1 - divergence, 0.1)
    return Blocks(brightness, found, freedom, doubtful, np.zeros(count), cluster)


def _estimate(line: VarianceLine, blocks: Blocks, unit: float, lowest: float, cut: list[float]) -> NoiseEstimate:
    """Return the estimate in the units of the image, with remarks."""
    low, high = _ends(blocks.brightness)
    ends = np.array([[low, 1.0], [high, 1.0]])
    back = np.linalg.inv(ends) if high > low else np.zeros((2, 2))  # from the variances at both ends
    floor = _FLOOR * back * (ends @ [line.gain, line.intercept])
    scale = np.diag([unit, unit**2])
    covariance = scale @ (line.covariance + floor @ floor.T) @ scale
    scaled = VarianceLine(unit * line.gain, unit**2 * line.intercept, covariance)
    middle = max(scaled.at(unit * (low + high) / 2), 0.0)
    remarks = [f"Pixels of value {unit * end:.4g}, an end of the range, do not count." for end in cut]
    flat = np.mean(blocks.doubtful <= _FLAT * np.maximum(line.gain * blocks.brightness + line.intercept, 0))
    if flat < _FEW:
        remarks.append("The image has hardly any flat region: texture may count as noise.")
    ranged = unit * (high - low) > _RANGE * math.sqrt(middle)
    return estimate_of_line(scaled, unit * low, unit * high, unit * lowest, tuple(remarks), ranged)


def _lowest_are_counts(pixels: np.ndarray, black: float, line: VarianceLine) -> bool:
    """Return whether the two lowest values are as far apart as the gain, and read noise is less: 0 and 1 photons."""
    step = float(pixels.min(initial=np.inf, where=pixels > black)) - black
    return abs(step - line.gain) <= _OFF * line.gain and line.at(black) < line.gain**2


def _smooth(share: Tensor, used: Tensor) -> Tensor:
    """Return the mean of the used blocks in the square of 3 x 3 around each."""
    total, count = (F.avg_pool2d(t.double(), 3, 1, 1) for t in (share * used, used))
    return total / count.clamp_min(1e-9)


def _ends(brightness: np.ndarray) -> tuple[float, float]:
    """Return the brightness of the darkest and of the brightest blocks, without two hundredths."""
    low, high = np.quantile(brightness, (0.02, 0.98))
    return float(low), float(high)
