"""What is decided for a whole image before it is denoised, as one or in tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from scorematching.noise import CorrelatedNoise, Covariance, ModulatedNoise, NoiseModel, Stabilizer, as_noise_model
from scorematching.noise.stabilizer import checksum
from scorematching.priors.base import Prior
from scorematching.priors.devices import move
from scorematching.restoration.choice import PriorChoice, prior_for_planes
from scorematching.restoration.clipping import unclipped
from scorematching.restoration.color import distinct, posterior_mean
from scorematching.restoration.contrast import Extent
from scorematching.restoration.in_metric import check_metric, is_in_metric, levels_in_metric
from scorematching.restoration.map_estimate import maximum_a_posteriori
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.neighbors import check_alone
from scorematching.restoration.noise_estimate import estimate_noise
from scorematching.restoration.operators import Identity
from scorematching.restoration.splitting import WhiteDenoiser, split
from scorematching.runtime.origin import Origin
from scorematching.runtime.progress import ProgressCallback, subtask

Method = Literal["auto", "tweedie", "map"]
#: Noise levels, for white at 1, below which nothing is removed, and above which the noise is refused.
_LOWEST_LEVEL, _HIGHEST_LEVEL = 1e-7, 1000
#: Largest distance in pixels up to which spikes are sought and brightness is averaged, rounded up.
AROUND = 8
#: Largest step of a pixel, in multiples of the noise level.
_FARTHEST = 8.0


@dataclass(frozen=True)
class Options:
    """Options of denoising, as in :func:`scorematching.denoise`."""

    method: Method = "auto"
    self_ensemble: bool = False
    fast: bool = False
    data_range: float | None = None
    seed: int = 0
    device: str | torch.device | None = None


class Observed(NamedTuple):
    """Noisy planes as a prior sees them, (C, 1, H, W), and their noise.

    Attributes:
        seen: Planes after the stabilizer.
        covariance: Covariance of their noise; ``None`` if it is white.
        origin: Place of the planes in their image.
    """

    seen: Tensor
    covariance: Covariance | None
    origin: Origin


@dataclass(frozen=True)
class Plan:
    """Decisions about a whole image. With them, each of its tiles is denoised by itself.

    Attributes:
        prior: Prior of the image.
        noise: Noise of the image, in its units.
        data_range: Value of white in the image.
        equal: Whether the channels of the image, or of its sample, are equal, as in grayscale stored as color.
        stabilizer: Map after which the noise has one level; ``None`` if there is none.
        level: Noise level after it, with white at 1; for correlated noise, that of its strongest frequency.
        extent: Range of the values after it.
        seed: Seed of the random numbers of the pixels.
        options: Options.
    """

    prior: Prior
    noise: NoiseModel
    data_range: float
    equal: bool
    stabilizer: Stabilizer | None
    level: float
    extent: Extent
    seed: int
    options: Options

    @classmethod
    def of(cls, image: np.ndarray, noise: float | NoiseModel | None, prior: PriorChoice, options: Options) -> Plan:
        """Decide how an image is denoised, given the image or a sample of it.

        Args:
            image: As in :func:`scorematching.denoise`.
            noise: Noise, or ``None`` to estimate it.
            prior: Prior, or ``None`` for the default one for the colors.
            options: Options.

        Raises:
            TypeError: As in :func:`scorematching.denoise`.
            ValueError: As in :func:`scorematching.denoise`.
        """
        planes = fill_missing(image, options.data_range).planes
        chosen = prior_for_planes(planes.data, prior)
        check_metric(chosen, options.method, options.self_ensemble)
        if options.method == "map":
            check_alone(chosen, "images by MAP")
        model = (
            estimate_noise(image, chosen, data_range=options.data_range, seed=options.seed, device=options.device)
            if noise is None
            else as_noise_model(noise)
        )
        equal = model.channels == 1 and len(distinct(planes.data, chosen)) < len(planes.data)
        y = planes.data[:1] if equal else planes.data
        if is_in_metric(chosen):
            stabilizer: Stabilizer | None = levels_in_metric(model, y, chosen, planes.data_range)
        else:
            stabilizer = model.stabilizer(planes.data_range)
        if stabilizer is None or stabilizer.covariance(1):
            check_alone(chosen, f"images with such noise, {model},")
        level = stabilizer.level if stabilizer else model.covariance(y, planes.data_range).level
        if level > _HIGHEST_LEVEL:
            raise ValueError(
                f"the noise, {model}, is more than {_HIGHEST_LEVEL} times the range of the image, "
                f"{planes.data_range:g}: give it in the units of the image"
            )
        seed = checksum(y[:, 0]) + options.seed
        if stabilizer and level >= _LOWEST_LEVEL:
            y = stabilizer.forward(y, Origin(seed=seed))
        return cls(chosen, model, planes.data_range, equal, stabilizer, level, Extent.of(y), seed, options)

    @property
    def removes_nothing(self) -> bool:
        """Whether there is no noise."""
        return self.level < _LOWEST_LEVEL

    @property
    def margin(self) -> int:
        """Distance in pixels up to which the result of a pixel depends on others, to the rounding of 32 bits."""
        passes = 2 if self.extent.ends or self.stabilizer is None or self.stabilizer.covariance(1) else 1
        of_prior = 0 if self.prior.noise is None else self.prior.noise.reach
        correlation = self.noise.correlation if isinstance(self.noise, ModulatedNoise) else self.noise
        of_noise = correlation.reach if isinstance(correlation, CorrelatedNoise) else 0
        return passes * self.prior.margin + max(of_prior, of_noise) + AROUND

    def check(self, planes: Tensor) -> None:
        """Raise ``ValueError`` if planes of an image, (C, 1, H, W), do not suit the prior."""
        self.prior.check_size(*planes.shape[2:])
        self.prior.check_colors(self._distinct(planes))

    def _distinct(self, planes: Tensor) -> Tensor:
        """Return one plane if those of the image are equal; all for a tile that differs from the sample."""
        return distinct(planes) if self.equal else planes

    def observe(self, planes: Tensor, at: tuple[int, int] = (0, 0), neighbors: Sequence[Tensor] = ()) -> Observed:
        """Return planes as the prior sees them.

        Args:
            planes: Noisy planes of the image or of a tile, (C, 1, H, W), with white at 1.
            at: Row and column of the image at which they start.
            neighbors: Planes of the neighbors, each of the same shape, if the prior sees them.
        """
        y, origin = self._distinct(planes), Origin(*at, self.seed)
        if self.stabilizer is None:
            covariance: Covariance | None = self.noise.covariance(y, self.data_range)
        else:
            covariance, middle = self.stabilizer.covariance(len(y)), len(neighbors) // 2
            near = [self.stabilizer.forward(_like(image, y)) for image in neighbors]  # each with noise of its own
            y = torch.cat([*near[:middle], self.stabilizer.forward(y, origin), *near[middle:]])
        return Observed(move(y, self.prior, self.options.device), covariance, origin)

    def remove(self, observed: Observed, progress: ProgressCallback | None = None) -> Tensor:
        """Return the planes of the image without noise, before the inverse of the stabilizer."""
        white = self.white(observed.origin)
        if observed.covariance:
            return split(observed.seen, observed.covariance, white, progress, fast=self.options.fast)
        x = white(observed.seen, self.level, progress)
        return x.chunk(self.prior.images)[self.prior.config.neighbors]

    def clean(self, x: Tensor, planes: Tensor) -> Tensor:
        """Return clean planes of the shape of the noisy ones, from the result of :meth:`remove`."""
        return (self.stabilizer.inverse(x) if self.stabilizer else x).expand_as(planes)

    def white(self, origin: Origin) -> WhiteDenoiser:
        """Return the method that removes white noise."""
        if self.options.method == "map" or (self.options.method == "auto" and self.prior.noise is None):

            def once(y: Tensor, level: float, progress: ProgressCallback | None) -> Tensor:
                return maximum_a_posteriori(y, Identity(), level, self.prior, start=y, progress=progress)
        else:
            once = partial(self._mean, origin)
        return self.turned(once)

    def turned(self, once: WhiteDenoiser) -> WhiteDenoiser:
        """Average a function of planes over rotations and reflections, if the options say so."""
        return partial(_averaged_over_turns, once) if self.options.self_ensemble else once

    def _mean(self, origin: Origin, y: Tensor, level: float, progress: ProgressCallback | None) -> Tensor:
        """Apply Tweedie's formula, within the contrast that priors were trained on.

        Spikes are clipped first, and what was clipped is put back. At a level below the usable one, the step is scaled:
        ``x = y + (sigma / sigma_0)^2 (D(y; sigma_0) - y)``. Gaussian noise is nowhere more than a few levels, so a step
        is limited to 8: a prior that is told much less noise than there is may diverge.
        """
        calm, used = self.extent.without_spikes(y, level), self.extent.usable_level(level)
        x = self._twice_if_clipped(origin, calm, used, progress)
        limit = _FARTHEST * used
        if bool(((x - calm).abs() > limit).any()):
            x = calm + (x - calm).clamp(-limit, limit)
        if used == level and torch.equal(calm, y):
            return x
        return y + (level / used) ** 2 * (x - calm)

    def _twice_if_clipped(self, origin: Origin, y: Tensor, level: float, progress: ProgressCallback | None) -> Tensor:
        """Apply Tweedie's formula, and a second time if noise was clipped to the range."""
        at = origin[:2]
        if not any(bool((y == end).any()) for end, _ in self.extent.ends):
            return posterior_mean(y, level, self.prior, progress, at)
        x = posterior_mean(y, level, self.prior, subtask(progress, 0, 1, parts=2), at)
        noisy = unclipped(y, x, level, origin, self.extent.ends)
        x = posterior_mean(noisy, level, self.prior, subtask(progress, 1, 2, parts=2), at)
        return torch.where(noisy == y, x, x.clamp(0, 1))


def _like(image: Tensor, y: Tensor) -> Tensor:
    """Return the planes of a neighbor, or their mean if the image is grayscale."""
    if len(image) == len(y):
        return image
    return gray if len(gray := distinct(image)) == 1 else image.mean(0, keepdim=True)


def _averaged_over_turns(once: WhiteDenoiser, y: Tensor, level: float, progress: ProgressCallback | None) -> Tensor:
    """Return the mean of the results for all eight rotations and reflections, each transformed back."""
    total = torch.zeros_like(y)
    for number in range(8):
        quarters = number % 4
        turned = torch.rot90(y, quarters, (2, 3))
        turned = (turned if number < 4 else turned.flip(3)).contiguous()
        x = once(turned, level, subtask(progress, number, number + 1, parts=8))
        total += torch.rot90(x if number < 4 else x.flip(3), -quarters, (2, 3))
    return total / 8
