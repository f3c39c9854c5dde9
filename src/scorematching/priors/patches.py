"""Products of Student-t on patches as priors."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.curvature.derivatives import score
from scorematching.energies.product_of_student_t import ProductOfStudentT
from scorematching.energies.whitening import ZCAWhitening
from scorematching.losses.score_matching import score_matching_loss
from scorematching.priors.base import Prior, keep_bounded
from scorematching.priors.info import PriorInfo


class PatchPrior(Prior):
    """A product of Student-t on whitened patches; an image's energy is the mean over the grids of patches.

    Every pixel is in ``size^2`` patches, and the energies of all patches are added with a factor of 1 / size^2: a
    denoised pixel is then the mean over the denoised patches that it is in.
    """

    energy: ProductOfStudentT

    def __init__(self, info: PriorInfo) -> None:
        super().__init__(info, margin=info.size - 1)
        self.whitening = ZCAWhitening(info.size)
        self.energy = ProductOfStudentT(info.size**2 - 1, info.filters, info.seed)

    @property
    def filters(self) -> Tensor:
        """The filters with the whitening in them, (K, n, n)."""
        return self.whitening.adjoint(self.energy.filters).unflatten(1, [self.info.size] * 2)

    def fit_preprocessing(self, crops: Callable[[], Tensor]) -> None:
        """Estimate the whitening."""
        self.whitening.fit(self._patches(crops() / self.info.unit, self.info.size))

    def constrain(self) -> None:
        """See :func:`scorematching.prior.base.keep_bounded`."""
        keep_bounded(self.info, self.energy.weights)

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The loss of whitened patches that do not overlap, a dimension."""
        whitened = self.whitening(self._patches(crops / self.info.unit, self.info.size))
        return score_matching_loss(self.energy, whitened, self.info.lam, check_finite=False) / whitened.shape[1]

    def _places(self, planes: Tensor) -> Tensor:
        height, width = (n - self.margin for n in planes.shape[2:])
        patches = self.whitening(self._patches(planes, stride=1))
        return self.energy(patches).view(len(planes), height, width) / self.info.size**2

    def _gradient(self, planes: Tensor) -> Tensor:
        patches = self.whitening(self._patches(planes, stride=1))
        gradient = self.whitening.adjoint(-score(self.energy, patches, check_finite=False))
        columns = gradient.view(len(planes), -1, self.info.size**2).transpose(1, 2)
        height, width = planes.shape[2:]
        return F.fold(columns, (height, width), self.info.size) / self.info.size**2

    def _patches(self, planes: Tensor, stride: int) -> Tensor:
        return F.unfold(planes, self.info.size, stride=stride).transpose(1, 2).flatten(0, 1)
