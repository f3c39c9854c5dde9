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
from scorematching.priors.batch import Crops
from scorematching.priors.info import Provenance, TrainedNoise


@dataclass(frozen=True)
class _ScaledProbes(Hutchinson):
    """Probes scaled by the noise of each sample: the loss is ``1/2 |d|^2 - noise^2 tr H`` in expectation."""

    noise: Tensor | None = field(default=None, compare=False)

    def directions(self, x: Tensor, squared: bool) -> Tensor:
        assert self.noise is not None
        return super().directions(x, squared) * self.noise.view(-1, *[1] * x.ndim)


class DeepPrior(Prior):
    """``E(x) = 1/2 |N(x)|^2`` with a convolutional network ``N``; its curvature in the loss is a random estimate.

    Training pads crops with zeros, which wastes no pixel. Images are processed with mirrored surroundings, beyond which
    the network sees nothing.

    Args:
        config: The architecture.
        noise: White noise of the images whose density is modeled, white being 1: a level, a model, or ``None`` for
            clean images.
        provenance: How the prior came about; its seed is that of the initial weights.

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
        seed = 0 if provenance is None else provenance.seed
        energy = DeepField(config.channels, config.depth, config.size, seed=seed, colors=config.colors)
        super().__init__(config, noise, energy.margin, provenance)
        self.energy = energy
        self._bordered = (energy.with_border(),)  # in a tuple, so that its parameters are not counted twice

    @property
    def filters(self) -> Tensor:
        """The filters of the first layer, (K, n, n), or (K, 3, n, n) for color."""
        filters = F.pixel_shuffle(self.energy.convolutions[0].weight, self.block)
        return filters if self.config.color else filters[:, 0]

    @property
    def matrices(self) -> list[nn.Parameter]:
        """The weights of all convolutions but the last one, which has too few outputs."""
        return [convolution.weight for convolution in self.energy.convolutions[:-1]]

    @property
    def min_crop(self) -> int:
        """Minimum height and width of a training crop: those of an image that can be denoised."""
        return self.min_size

    @torch.no_grad()
    def constrain(self) -> None:
        """Remove the mean of the first filters, so that brightness has no energy."""
        weight = self.energy.convolutions[0].weight
        weight -= weight.mean((1, 2, 3), keepdim=True)

    def loss(self, crops: Crops, lam: float, generator: torch.Generator | None = None) -> Tensor:
        """Return the loss per pixel: by one random probe per crop, two with ``lam``, or by the noise that was added.

        For a crop with a fraction of the prior's noise the loss is Stein's estimate of the denoiser's error, up to
        constants, as it is for the others. Added noise takes the place of probes
        (:class:`scorematching.curvature.Stein`).
        """
        x = crops.pixels / self.unit
        own = len(x) - len(crops.added)
        total = x.new_zeros(())
        if own:
            probes = _ScaledProbes(2 if lam else 1, generator=generator, noise=crops.noise[:own])
            total = total + self._summed(x[:own], probes, lam)
        if len(crops.added):
            total = total + self._summed(x[own:], Stein(crops.added / self.unit), lam)
        return total / x.numel()

    def _summed(self, x: Tensor, curvature: Curvature, lam: float) -> Tensor:
        return score_matching_loss(self._bordered[0], x, lam, curvature, reduction="sum", check_finite=False)
