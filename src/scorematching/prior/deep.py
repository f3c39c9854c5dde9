"""Deep convolutional energies as priors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.curvature import Hutchinson
from scorematching.derivatives import score
from scorematching.losses import score_matching_loss
from scorematching.models import DeepField
from scorematching.prior.base import Prior
from scorematching.prior.info import PriorInfo


class DeepPrior(Prior):
    """``E(x) = 1/2 |N(x)|^2`` with a convolutional network ``N``; the curvature of its loss is a random estimate.

    Crops are trained on with zeros around them, which wastes no pixel. Pictures are worked on with mirrored
    surroundings, which the network sees nothing beyond.
    """

    energy: DeepField
    block = DeepField.BLOCK
    tile = 256

    def __init__(self, info: PriorInfo) -> None:
        energy = DeepField(info.filters, info.depth, info.size, seed=info.seed)
        super().__init__(info, energy.margin)
        self.energy = energy
        self._bordered = (energy.with_border(),)  # in a tuple, lest its parameters be counted twice

    @property
    def filters(self) -> Tensor:
        """The filters of the first layer, (K, n, n)."""
        return F.pixel_shuffle(self.energy.convolutions[0].weight, self.block)[:, 0]

    def constrain(self) -> None:
        """Take the mean out of the first filters: brightness bears no energy."""
        with torch.no_grad():
            weight = self.energy.convolutions[0].weight
            weight -= weight.mean((1, 2, 3), keepdim=True)

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The loss of all pixels, by one random probe a crop; with ``lam`` two."""
        x = crops / self.info.unit
        probes = Hutchinson(2 if self.info.lam else 1, generator=generator)
        return score_matching_loss(self._bordered[0], x, self.info.lam, probes, check_finite=False) / x[0].numel()

    def _energy(self, planes: Tensor) -> Tensor:
        return self.energy(planes)

    def _gradient(self, planes: Tensor) -> Tensor:
        return -score(self.energy, planes, check_finite=False)
