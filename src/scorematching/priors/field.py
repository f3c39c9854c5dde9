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
from scorematching.runtime.kinds import check_arguments


class FieldPrior(Prior):
    """Field of experts over the whole image.

    Args:
        config: Architecture.
        noise: Noise of the images whose density is modeled, with white at 1: a level, a model, correlated noise as
            :class:`TrainedNoise`, or ``None`` for clean images.
        provenance: Origin of the prior.

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
        check_arguments(FieldPrior.__init__, locals())
        super().__init__(config, noise, (config.size - 1) * 2 ** (config.octaves - 1), provenance)
        self.block = 2 ** (config.octaves - 1)
        self.energy = FieldOfExperts(
            config.filters, config.size, octaves=config.octaves, expert=config.expert, neighbors=config.neighbors
        )

    @property
    def filters(self) -> Tensor:
        """Filters of all octaves, as they act on the image itself, shape (K, n, n).

        The filters of finer octaves are padded with zeros.
        """
        size = self.config.size
        found, side = [], size * self.block
        for octave, convolution in enumerate(self.energy.convolutions):
            met = F.interpolate(convolution.weight / 4**octave, scale_factor=2**octave)[:, self.config.neighbors]
            before = (size - 1) * (self.block - 2**octave) // 2  # as the field crops the image
            found.append(F.pad(met, [before, side - before - met.shape[1]] * 2))
        return torch.cat(found)

    @torch.no_grad()
    def constrain(self) -> None:
        """Normalize the filters if the configuration says so, and keep the energy of clean images bounded below.

        A prior of clean images is used for MAP, which needs an energy that is bounded below. So the experts of such a
        prior have no negative weights, and splines do not fall beyond their knots. A prior of noisy images is used with
        Tweedie's formula, which needs no bound, and denoises better with free weights.
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
        """Return the loss per pixel, over the pixels whose filters all fit into the crop, given the other pixels.

        Neighbors are given too.

        For correlated noise, the same is true of all pixels that share noise with these pixels.
        """
        m, weight = self._border, torch.zeros_like(crops.pixels[0])
        weight[self.own, m:-m, m:-m] = 1
        x, energy = crops.pixels / self.unit, self.in_metric(self.energy)
        return score_matching_loss(energy, x, lam=lam, weight=weight, check_finite=False) / weight.sum()

    @property
    def min_crop(self) -> int:
        """Minimum height and width of a training crop, in pixels."""
        return 2 * (self._border + self.block)

    @property
    def _border(self) -> int:
        """Width in pixels of the border of a crop that :meth:`loss` leaves out; a multiple of ``block``."""
        reach = 0 if self.noise is None else self.noise.reach
        return self.margin + reach + -reach % self.block
