"""The unit simplex: proportions, which are positive and sum to 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.curvature.objective import Weights
from scorematching.domains.base import Domain
from scorematching.domains.distance import Distance
from scorematching.graph import Graph
from scorematching.layers import Linear

#: Largest deviation of the sum of a sample from 1.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Simplex(Domain):
    """Each sample, shape (D,), has positive entries that sum to 1.

    The energy is a function of all D entries. The loss is that of the first D - 1, of which the last is 1 minus the
    sum. It is weighted by the smallest of the D entries.

    Args:
        cap: As in :class:`Interval`.
        power: As in :class:`Interval`.

    Raises:
        ValueError: A value is out of its range.

    Example:
        >>> Simplex().outside(torch.tensor([[0.2, 0.8], [0.3, 0.3]]))
        tensor([False,  True])
    """

    cap: float | None = None
    power: float = 2

    def __post_init__(self) -> None:
        self._distance()

    def weights(self, x: Tensor) -> Weights:
        """Return the weights at data in :meth:`coordinates`, shape (N, D - 1)."""
        return self._distance().weights(x)

    def outside(self, x: Tensor) -> Tensor:
        """Return True for each sample with a negative entry, or another sum than 1."""
        return (x < 0).any(1) | ((x.sum(1) - 1).abs() > _ROUNDING)

    def coordinates(self, energy: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor, Domain]:
        """Return the energy as a function of the first D - 1 entries, these entries, and their domain."""
        size = x.shape[1] - 1
        last = Linear(size, size + 1).to(x).requires_grad_(False)
        last.weight.copy_(torch.cat([torch.eye(size), -torch.ones(1, size)]))
        assert last.bias is not None
        last.bias.copy_(torch.eye(size + 1)[-1])
        if not isinstance(energy, Graph):
            return nn.Sequential(last, energy), x[:, :-1], self._distance()
        first, ordered = "first entries", sorted(energy.pairs(), key=lambda pair: pair[0].number)
        edges = [(edge.source, layer, edge.target) for edge, layer in ordered]
        return Graph([*edges, (first, last, energy.input)], first, energy.output), x[:, :-1], self._distance()

    def _distance(self) -> Distance:
        return Distance(_smallest, self.cap, self.power)


def _smallest(u: Tensor) -> Tensor:
    """Return the smallest entry of each sample, given all but the last."""
    return torch.minimum(u.amin(1), 1 - u.sum(1))
