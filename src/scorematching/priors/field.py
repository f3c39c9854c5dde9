"""Fields of experts as priors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.energies import FieldOfExperts
from scorematching.layers import Spline
from scorematching.losses import score_matching_loss
from scorematching.noise import GaussianNoise
from scorematching.priors.architecture import FieldConfig
from scorematching.priors.base import Prior
from scorematching.priors.batch import Crops
from scorematching.priors.info import Provenance, TrainedNoise


class FieldPrior(Prior):
    """A field of experts over the whole image.

    Args:
        config: The architecture.
        noise: White noise of the images whose density is modeled, white being 1: a level, a model, or ``None`` for
            clean images.
        provenance: How the prior came about.

    Raises:
        TypeError: ``noise`` is not white Gaussian noise.
        ValueError: The noise level is not above 0.

    Example:
        >>> prior = FieldPrior(FieldConfig(filters=8, size=3), noise=25 / 255)
        >>> prior.score(torch.zeros(1, 1, 20, 30)).shape
        torch.Size([1, 1, 20, 30])
    """

    config: FieldConfig
    energy: FieldOfExperts

    def __init__(
        self,
        config: FieldConfig,
        noise: float | GaussianNoise | TrainedNoise | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        super().__init__(config, noise, (config.size - 1) * 2 ** (config.octaves - 1), provenance)
        self.block = 2 ** (config.octaves - 1)
        self.energy = FieldOfExperts(config.filters, config.size, octaves=config.octaves, expert=config.expert)

    @property
    def filters(self) -> Tensor:
        """The filters of all octaves, those of finer ones with zeros around them, (K, n, n)."""
        size = self.config.size
        found, side = [], size * self.block
        for octave, convolution in enumerate(self.energy.convolutions):
            met = F.interpolate(convolution.weight / 4**octave, scale_factor=2**octave)[:, 0]
            before = (size - 1) * (self.block - 2**octave) // 2  # as the field crops the image
            found.append(F.pad(met, [before, side - before - met.shape[1]] * 2))
        return torch.cat(found)

    @torch.no_grad()
    def constrain(self) -> None:
        """Keep filters at zero mean and unit norm if the configuration says so; keep energies of clean images bounded.

        A prior of clean images is used for MAP at any noise level, which needs an energy that is bounded below: no
        expert may have a negative weight, and no spline may fall beyond its knots. With noisy images Tweedie's formula
        needs no such limit, and free weights denoise better.
        """
        if self.config.normalize_filters:
            self.energy.normalize()
        if self.noise is not None:
            return
        for layer in self.energy.expert_layers:
            weight = layer.weight
            if isinstance(layer, Spline):
                weight[:, 0].clamp_(min=weight[:, 1])
                weight[:, -1].clamp_(min=weight[:, -2])
            else:
                weight.clamp_(min=0)

    def loss(self, crops: Crops, lam: float, generator: torch.Generator | None = None) -> Tensor:
        """Return the loss per pixel, over the pixels that all their filters cover, given the pixels around them."""
        m, weight = self.margin, torch.zeros_like(crops.pixels[0])
        weight[:, m:-m, m:-m] = 1
        x = crops.pixels / self.unit
        return score_matching_loss(self.energy, x, lam, weight=weight, check_finite=False) / weight.sum()
