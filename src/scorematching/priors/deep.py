"""Deep convolutional energies as priors."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorematching.curvature import Curvature, Hutchinson, Stein
from scorematching.curvature.derivatives import score
from scorematching.energies.deep_field import DeepField
from scorematching.losses.score_matching import score_matching_loss
from scorematching.priors.base import Prior, summands
from scorematching.priors.info import PriorInfo


@dataclass(frozen=True)
class _SteinsProbes(Hutchinson):
    """Probes as long as the noise of each sample, so that the loss is ``1/2 |d|^2 - noise^2 tr H`` in the mean."""

    noise: Tensor | None = field(default=None, compare=False)

    def directions(self, x: Tensor, squared: bool) -> Tensor:
        assert self.noise is not None
        return super().directions(x, squared) * self.noise.view(-1, *[1] * x.ndim)


class DeepPrior(Prior):
    """``E(x) = 1/2 |N(x)|^2`` with a convolutional network ``N``; the curvature of its loss is a random estimate.

    Crops are trained on with zeros around them, which wastes no pixel. Images are worked on with mirrored
    surroundings, which the network sees nothing beyond.
    """

    energy: DeepField
    block = DeepField.BLOCK
    tile = 512

    def __init__(self, info: PriorInfo) -> None:
        energy = DeepField(info.filters, info.depth, info.size, seed=info.seed, colors=info.colors)
        super().__init__(info, energy.margin)
        self.energy = energy
        self._bordered = (energy.with_border(),)  # in a tuple, lest its parameters be counted twice

    @property
    def filters(self) -> Tensor:
        """The filters of the first layer, (K, n, n), or (K, 3, n, n) of colors."""
        filters = F.pixel_shuffle(self.energy.convolutions[0].weight, self.block)
        return filters if self.info.colors > 1 else filters[:, 0]

    @property
    def matrices(self) -> list[nn.Parameter]:
        """The weights of all convolutions but the last one, whose outputs are too few."""
        return [convolution.weight for convolution in self.energy.convolutions[:-1]]

    def constrain(self) -> None:
        """Take the mean out of the first filters: brightness bears no energy."""
        with torch.no_grad():
            weight = self.energy.convolutions[0].weight
            weight -= weight.mean((1, 2, 3), keepdim=True)

    def loss(
        self,
        crops: Tensor,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        added: Tensor | None = None,
    ) -> Tensor:
        """The loss of all pixels, by one random probe a crop, two with ``lam``, or by noise that was added to it.

        Args:
            crops: Shape (N, C, H, W), with ``info.colors`` C.
            generator: What the probes are drawn with.
            noise: What noise each crop carries, as a share of ``info.sigma``, (N,); all of it if not given. For a
                share the loss is Stein's estimate of the denoiser's error, as it is for all, up to constants.
            added: For the last M crops, (M, C, H, W): the noise that was added to them, over its variance as a share
                of theirs. It takes the place of probes (:class:`scorematching.curvature.Stein`).
        """
        x, count = crops / self.info.unit, 2 if self.info.lam else 1
        known = 0 if added is None else len(added)
        own, rest = x[: len(x) - known], x[len(x) - known :]
        total = x.new_zeros(())
        if len(own):
            probes = Hutchinson(count, generator=generator)
            if noise is not None:
                probes = _SteinsProbes(count, generator=generator, noise=noise[: len(own)])
            total = total + self._summed(own, probes)
        if added is not None and known:
            total = total + self._summed(rest, Stein(added / self.info.unit))
        return total / x.numel()

    @property
    def least_crop(self) -> int:
        """An image that can be denoised can be learned from."""
        return self.least

    def _summed(self, x: Tensor, curvature: Curvature) -> Tensor:
        return score_matching_loss(self._bordered[0], x, self.info.lam, curvature, reduction="sum", check_finite=False)

    def _places(self, planes: Tensor) -> Tensor:
        return summands(self.energy, planes)

    def _gradient(self, planes: Tensor) -> Tensor:
        return -score(self.energy, planes, check_finite=False)
