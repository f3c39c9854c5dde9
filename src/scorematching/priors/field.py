"""Fields of experts as priors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.curvature.derivatives import score
from scorematching.energies.field_of_experts import FieldOfExperts
from scorematching.layers import Spline
from scorematching.losses.score_matching import score_matching_loss
from scorematching.priors.base import Prior, keep_bounded, keep_rising, summands
from scorematching.priors.info import PriorInfo


class FieldPrior(Prior):
    """A field of experts over the whole image."""

    energy: FieldOfExperts

    def __init__(self, info: PriorInfo) -> None:
        super().__init__(info, margin=(info.size - 1) * 2 ** (info.octaves - 1))
        self.block = 2 ** (info.octaves - 1)
        self.energy = FieldOfExperts(info.filters, info.size, octaves=info.octaves, expert=info.expert)

    @property
    def filters(self) -> Tensor:
        """The filters, of all octaves, those of finer ones with zeros around them, (K, n, n)."""
        found, side = [], self.info.size * self.block
        for octave, convolution in enumerate(self.energy.convolutions):
            met = F.interpolate(convolution.weight / 4**octave, scale_factor=2**octave)[:, 0]
            before = (self.info.size - 1) * (self.block - 2**octave) // 2  # as the field crops the image
            found.append(F.pad(met, [before, side - before - met.shape[1]] * 2))
        return torch.cat(found)

    def constrain(self) -> None:
        """Filters of zero mean and unit norm, if wanted; an energy bounded below, of clean images."""
        if self.info.normalize_filters:
            self.energy.normalize()
        for layer in self.energy.expert_layers:
            (keep_rising if isinstance(layer, Spline) else keep_bounded)(self.info, layer.weight)

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The loss of the pixels that all their filters cover, given those around them."""
        m, weight = self.margin, torch.zeros_like(crops[0])
        weight[:, m:-m, m:-m] = 1
        x = crops / self.info.unit
        return score_matching_loss(self.energy, x, self.info.lam, weight=weight, check_finite=False) / weight.sum()

    def _places(self, planes: Tensor) -> Tensor:
        return summands(self.energy, planes)

    def _gradient(self, planes: Tensor) -> Tensor:
        return -score(self.energy, planes, check_finite=False)
