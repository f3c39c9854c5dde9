"""The unit simplex: proportions, which are positive and sum to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from scorematching.curvature.objective import Weights
from scorematching.domains.base import Domain
from scorematching.domains.distance import Distance
from scorematching.graph import Graph
from scorematching.layers import Linear
from scorematching.runtime.kinds import check_arguments

#: Largest deviation of the sum of a sample from 1.
_ROUNDING = 1e-4
#: Energies as functions of all but the last entry, and what they were made for: their analysis is made once.
_inner: WeakKeyDictionary[Graph, tuple[tuple[Any, ...], Graph]] = WeakKeyDictionary()


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

    joint: ClassVar[bool] = True
    cap: float | None = None
    power: float = 2

    def __post_init__(self) -> None:
        check_arguments(Simplex, vars(self))
        self._distance()

    def weights(self, x: Tensor) -> Weights:
        """Return the weights at data in :meth:`coordinates`, shape (N, D - 1)."""
        return self._distance().weights(x)

    def outside(self, x: Tensor) -> Tensor:
        """Return True for each sample with a negative entry, or another sum than 1.

        Raises:
            ValueError: A sample has not two entries or more, or more than one dimension.
        """
        if x.ndim != 2 or x.shape[1] < 2:
            raise ValueError(f"samples of a simplex have the shape (D,), with D of 2 or more, got {tuple(x.shape[1:])}")
        return (x < 0).any(1) | ((x.sum(1) - 1).abs() > _ROUNDING)

    def coordinates(self, energy: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor, Domain]:
        """Return the energy as a function of the first D - 1 entries, these entries, and their domain."""
        if not isinstance(energy, Graph):
            return nn.Sequential(_completion(x), energy), x[:, :-1], self._distance()
        known = _inner.get(energy)
        kind = x.shape[1], x.dtype, x.device, tuple(map(id, energy.layers))
        if known is None or known[0] != kind:
            known = _inner[energy] = kind, _of_first_entries(energy, x)
        return known[1], x[:, :-1], self._distance()

    def _distance(self) -> Distance:
        return Distance(_smallest, self.cap, self.power)


def _completion(x: Tensor) -> Linear:
    """Return the layer that adds the last entry of ``x`` to the others."""
    size = x.shape[1] - 1
    with torch.inference_mode(False):
        rows = torch.eye(size + 1, dtype=x.dtype, device=x.device)
        with torch._C._DisableFuncTorch(), torch.device("meta"):  # draw no weights: they are replaced
            last = Linear(size, size + 1)
        last.weight = nn.Parameter(torch.cat([rows[:-1, :-1], -torch.ones_like(rows[:1, :-1])]), requires_grad=False)
        last.bias = nn.Parameter(rows[-1].clone(), requires_grad=False)
    return last


def _of_first_entries(energy: Graph, x: Tensor) -> Graph:
    """Return an energy as a function of all but the last entry of ``x``. Its parameters keep their names."""
    first, ordered = f"first entries of {energy.input}", sorted(energy.pairs(), key=lambda pair: pair[0].number)
    edges = [(edge.source, layer, edge.target) for edge, layer in ordered]
    return Graph([*edges, (first, _completion(x), energy.input)], first, energy.output)


def _smallest(u: Tensor) -> Tensor:
    """Return the smallest entry of each sample, given all but the last."""
    return torch.minimum(u.amin(1), 1 - u.sum(1))
