"""Structure in what denoising removed: noise has none, but details of the image have."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

#: Side of the squares over which brightness, edges and energy are averaged.
_SIDE = 16


@dataclass(frozen=True)
class Structure:
    """Correlations of what was removed, relative to the noise.

    Attributes:
        neighbors: Correlation of neighboring pixels.
        brightness: Rank correlation of the energy with brightness.
        edges: Rank correlation of the energy with the gradient of the result.
        squares: Number of squares of 16 x 16 pixels that these are based on; with fewer than ten they are 0.

    Example:
        >>> noise = torch.randn(1, 1, 200, 200, dtype=torch.float64)
        >>> found = Structure.of(noise, torch.rand(1, 1, 200, 200), torch.ones(200, 200) > 0)
        >>> abs(found.neighbors) < 0.03, abs(found.edges) < 0.5
        (True, True)
    """

    neighbors: float
    brightness: float
    edges: float
    squares: int

    @property
    def scatter(self) -> float:
        """Standard deviation of the difference of two rank correlations by chance."""
        return math.sqrt(2 / max(self.squares - 1, 1))

    @classmethod
    def of(cls, residual: Tensor, x: Tensor, counted: Tensor) -> Structure:
        """Measure the structure of a residual.

        Args:
            residual: What was removed, divided by the standard deviation of the noise, (C, 1, H, W).
            x: Denoised planes, of the same shape.
            counted: Which pixels count, (H, W).
        """
        energy = residual.square().mean(0, keepdim=True)
        down, across = (x.diff(dim=dim).square().mean(0, keepdim=True) for dim in (2, 3))
        gradient = down[..., :-1] + across[..., :-1, :]
        inner = counted[:-1, :-1]
        return cls(
            _neighbors(residual),
            _rank_correlation(energy, x.mean(0, keepdim=True), counted),
            _rank_correlation(energy[..., :-1, :-1], gradient, inner),
            int(_whole(inner).sum()),
        )


def _whole(counted: Tensor) -> Tensor:
    """Return which squares have nearly all their pixels among those that count."""
    if min(counted.shape) < _SIDE:
        return torch.zeros(0, dtype=torch.bool)
    return F.avg_pool2d(counted[None, None].double(), _SIDE).flatten() > 0.9


def _neighbors(residual: Tensor) -> float:
    """Return the correlation of neighboring pixels, averaged over rows and columns."""
    flat = residual - residual.mean()
    products = [(flat[..., 1:] * flat[..., :-1]).mean(), (flat[..., 1:, :] * flat[..., :-1, :]).mean()]
    return float(sum(products) / 2 / flat.square().mean().clamp_min(1e-12))


def _rank_correlation(energy: Tensor, value: Tensor, counted: Tensor) -> float:
    """Return Spearman's rank correlation of the means over squares; 0 if there are fewer than ten squares."""
    whole = _whole(counted)
    if int(whole.sum()) < 10:
        return 0.0
    first, second = (F.avg_pool2d(of, _SIDE).flatten() for of in (energy, value))
    ranks = torch.stack([of[whole].argsort().argsort().double() for of in (first, second)])
    return float(torch.nan_to_num(torch.corrcoef(ranks))[0, 1])
