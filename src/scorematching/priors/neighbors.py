"""Priors of an image given its neighbors: frames of a movie, or slices of a volume."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.curvature import Curvature, DiagonalRecursion, Hutchinson
from scorematching.graph import Graph
from scorematching.priors.base import Prior
from scorematching.priors.batch import Crops
from scorematching.priors.field import FieldPrior
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import Progress, ProgressCallback

#: Side in pixels of the squares over which errors are averaged, twice.
_AROUND = 15
#: Factor of the share of the neighbors that has the least estimated error. Where they help, chance makes it too small.
_IN_FAVOR = 1.3
#: Number of probes of the curvature of a deep prior.
_PROBES = 4


class NeighborPrior(Prior):
    """Prior of an image given the images before and after it, which takes from them only what lowers the error.

    It consists of two priors: one of the image alone, and one of the image together with its neighbors. Both are fitted
    to the same images. Let ``y`` be the image, and ``s1`` and ``s2`` the steps of Tweedie's formula of the two priors,
    for noise of level 1. The prior takes ``s1 + w (s2 - s1)``, where the share ``w`` of each pixel, from 0 to 1, has
    the least squared error in its surroundings by Stein's unbiased estimate (1981)::

        w = - mean(s1 (s2 - s1) + d(s2 - s1)/dy) / mean (s2 - s1)^2

    So where the scene moves, and the neighbors show something else, the image is denoised by itself, without ghosts.

    Args:
        alone: Prior of the image alone, for noisy images.
        together: Prior of the image and its neighbors, for noise of the same level.

    Raises:
        ValueError: The priors are for clean images, or for correlated noise.

    Example:
        >>> import scorematching as sm
        >>> prior = sm.priors.build_prior(sm.FieldConfig(filters=8, size=3, neighbors=1), 0.1)
        >>> prior.score(torch.zeros(1, 3, 20, 30)).shape
        torch.Size([1, 3, 20, 30])
    """

    def __init__(self, alone: Prior, together: Prior) -> None:
        check_arguments(NeighborPrior.__init__, locals())
        super().__init__(together.config, together.noise, together.margin, together.provenance)
        if self.noise is None or self.noise.kernel is not None:
            kind = "clean images" if self.noise is None else "correlated noise"
            raise ValueError(f"a prior that sees neighbors is for white noise, not for {kind}: leave out neighbors")
        self.block, self.tile = together.block, together.tile
        self.alone, self.together = alone, together

    @property
    def energy(self) -> Graph:  # type: ignore[override]
        """Energy of the image and its neighbors."""
        return self.together.energy

    @property
    def filters(self) -> Tensor:
        """Filters of the image, of the prior that sees its neighbors."""
        return self.together.filters

    @property
    def parts(self) -> list[Prior]:
        """Both priors, which are trained at the same time."""
        return [self.alone, self.together]

    def constrain(self) -> None:
        """Project the parameters of both priors onto the allowed ones."""
        self.alone.constrain()
        self.together.constrain()

    def loss(self, crops: Crops, lam: float, generator: torch.Generator | None = None) -> Tensor:
        """Return the sum of the losses of both priors, per pixel."""
        added = crops.added[:, self.own] if len(crops.added) else crops.added
        image = crops._replace(pixels=crops.pixels[:, self.own].contiguous(), added=added.contiguous())
        return self.alone.loss(image, lam, generator) + self.together.loss(crops, lam, generator)

    @property
    def min_crop(self) -> int:
        """Minimum height and width of a training crop, in pixels."""
        return self.together.min_crop

    @torch.no_grad()
    def score(
        self,
        planes: Tensor,
        contrast: float = 1.0,
        progress: ProgressCallback | None = None,
        at: tuple[int, int] = (0, 0),
    ) -> Tensor:
        """Return the step of Tweedie's formula for the image, divided by the variance of the noise; see the class.

        It is 0 for the neighbors. Arguments and errors are those of :meth:`Prior.score`.
        """
        tiles, own = self.grid(planes).tiles(self.tile, at=at), self.own
        steps, curvatures = (torch.empty(2, *planes[:, own].shape).to(planes) for _ in range(2))
        for done, tile in enumerate(tiles, 1):
            near = contrast * tile.take(planes) / self.unit
            for number, (prior, seen) in enumerate([(self.alone, near[:, own]), (self.together, near)]):
                d, d2, _ = _curvature(prior).derivatives(prior.energy, seen.contiguous())
                tile.put(steps[number], -d[:, prior.own])
                tile.put(curvatures[number], d2[:, prior.own])
            if progress is not None:
                progress(Progress(done, len(tiles)))
        more = steps[1] - steps[0]
        share = -_around(steps[0] * more - curvatures[1] + curvatures[0]) / _around(more.square()).clamp_min(1e-12)
        result = torch.zeros_like(planes)
        result[:, own] = (steps[0] + (_IN_FAVOR * share).clamp(0, 1) * more) / self.unit
        return result


def prior_alone(prior: Prior) -> Prior:
    """Return the prior of an image alone: the part of a :class:`NeighborPrior`, or the prior itself.

    Example:
        >>> from scorematching.priors import load_prior
        >>> prior_alone(load_prior("natural-gray")).images
        1
    """
    return prior.alone if isinstance(prior, NeighborPrior) else prior


def _curvature(prior: Prior) -> Curvature:
    """Return the method for the diagonal of the Hessian: exact for fields of experts, with fixed probes otherwise."""
    if isinstance(prior, FieldPrior):
        return DiagonalRecursion()
    return Hutchinson(_PROBES, generator=torch.Generator().manual_seed(0))


def _around(planes: Tensor) -> Tensor:
    """Return the mean over the colors and the surroundings of each pixel, (N, C, H, W) to (N, 1, H, W)."""
    mean = planes.mean(1, keepdim=True)
    for _ in range(2):
        mean = F.avg_pool2d(mean, _AROUND, 1, _AROUND // 2, count_include_pad=False)
    return mean
