"""Deep convolutional energies as priors."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorematching.curvature import Curvature, Hutchinson, Stein
from scorematching.energies import DeepField
from scorematching.losses import score_matching_loss
from scorematching.noise import GaussianNoise
from scorematching.priors.architecture import DeepConfig
from scorematching.priors.base import Prior
from scorematching.priors.batch import BatchPart, Crops
from scorematching.priors.info import Provenance, TrainedNoise
from scorematching.runtime.kinds import check_arguments


@dataclass(frozen=True)
class _ScaledProbes(Hutchinson):
    """Hutchinson's estimate with probes scaled by the noise of each sample.

    The expectation of the loss is ``1/2 |d|^2 - noise^2 tr H``. The samples may be a part of a batch, for all of which
    probes are drawn.
    """

    noise: Tensor | None = field(default=None, compare=False)
    part: BatchPart | None = field(default=None, compare=False)

    def directions(self, x: Tensor, squared: bool) -> Tensor:
        assert self.noise is not None
        if self.part is None:
            drawn = super().directions(x, squared)
        else:
            drawn = super().directions(x[:1].expand(self.part.own, *x.shape[1:]), squared)[self.part.places]
        return drawn * self.noise.view(-1, *[1] * x.ndim)


class DeepPrior(Prior):
    """Deep prior ``E(x) = 1/2 |N(x)|^2`` with a convolutional network ``N``.

    The curvature in the loss is a random estimate. In training, crops are padded with zeros, so that every pixel
    counts. In restoration, images have mirrored borders as wide as the receptive field.

    Args:
        config: Architecture.
        noise: Noise of the images whose density is modeled, with white at 1: a level, a model, correlated noise as
            :class:`TrainedNoise`, or ``None`` for clean images.
        provenance: Origin of the prior. Its seed also seeds the initial weights.

    Raises:
        TypeError: ``noise`` is not white Gaussian noise.
        ValueError: The noise level is not above 0.

    Example:
        >>> prior = DeepPrior(DeepConfig(channels=4, depth=2, color=True), noise=25 / 255)
        >>> prior.score(torch.zeros(1, 3, 20, 30)).shape
        torch.Size([1, 3, 20, 30])
    """

    config: DeepConfig
    energy: DeepField
    block = DeepField.BLOCK
    tile = 512

    def __init__(
        self,
        config: DeepConfig,
        noise: float | GaussianNoise | TrainedNoise | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        check_arguments(DeepPrior.__init__, locals())
        seed = 0 if provenance is None else provenance.seed
        planes = config.colors * (2 * config.neighbors + 1)
        energy = DeepField(config.channels, config.depth, config.size, seed=seed, colors=planes)
        super().__init__(config, noise, energy.margin, provenance)
        self.energy = energy
        self._bordered = (energy.with_border(),)  # in a tuple, so that its parameters are not counted twice

    @property
    def filters(self) -> Tensor:
        """Filters of the first layer, shape (K, n, n), or (K, 3, n, n) for color."""
        filters = F.pixel_shuffle(self.energy.convolutions[0].weight, self.block)[:, self.own]
        return filters if self.config.color else filters[:, 0]

    @property
    def matrices(self) -> list[nn.Parameter]:
        """Weights of all convolutions except the last one, which has too few outputs."""
        return [convolution.weight for convolution in self.energy.convolutions[:-1]]

    @property
    def min_crop(self) -> int:
        """Minimum height and width of a training crop, in pixels: the same as for an image to denoise."""
        return self.min_size

    @torch.no_grad()
    def constrain(self) -> None:
        """Remove the mean of the first filters, so that brightness has no energy."""
        weight = self.energy.convolutions[0].weight
        weight -= weight.mean((1, 2, 3), keepdim=True)

    def loss(self, crops: Crops, lam: float, generator: torch.Generator | None = None) -> Tensor:
        """Return the loss per pixel.

        The curvature is estimated from one random probe per crop (two if ``lam`` is above 0). For crops with added
        noise, it is estimated from that noise (:class:`scorematching.curvature.Stein`). Up to constants, the loss of
        every crop is Stein's estimate of the denoising error, also for crops with less noise than the prior's level.
        If the noise of the prior is correlated, the added noise must have the same correlation.
        """
        x = crops.pixels / self.unit
        own, total = crops.own, x.new_zeros(())
        if own:
            probes = _ScaledProbes(2 if lam else 1, generator=generator, noise=crops.noise[:own], part=crops.part)
            total = total + self._summed(x[:own], probes, lam)
        if len(crops.added):
            total = total + self._summed(x[own:], Stein(crops.added / self.unit, 1.0), lam)
        return total / x[:, self.own].numel()

    def _summed(self, x: Tensor, curvature: Curvature, lam: float) -> Tensor:
        energy, weight = self.in_metric(self._bordered[0]), None
        if self.images > 1:  # the neighbors are given
            weight = torch.zeros_like(x[0])
            weight[self.own] = 1
        return score_matching_loss(
            energy, x, lam=lam, curvature=curvature, weight=weight, reduction="sum", check_finite=False
        )
