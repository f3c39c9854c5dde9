"""Fields of experts as priors."""

from __future__ import annotations

import torch
from torch import Tensor

from scorematching.derivatives import score
from scorematching.losses import score_matching_loss
from scorematching.models import FieldsOfExperts
from scorematching.prior.base import Prior, keep_bounded, summands
from scorematching.prior.info import PriorInfo


class FieldPrior(Prior):
    """A field of experts over the whole picture."""

    energy: FieldsOfExperts

    def __init__(self, info: PriorInfo) -> None:
        super().__init__(info, margin=info.size - 1)
        self.energy = FieldsOfExperts(info.filters, info.size)

    @property
    def filters(self) -> Tensor:
        """The filters, (K, n, n)."""
        return self.energy.filters[:, 0]

    def constrain(self) -> None:
        """See :func:`scorematching.prior.base.keep_bounded`."""
        keep_bounded(self.info, self.energy.weights)

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
