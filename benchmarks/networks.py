"""The energies that speed is measured on, as descriptions that can be sent to another process; and their least work."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

import scorematching as sm
from scorematching.energies import FieldOfExperts, ProductOfStudentT
from scorematching.layers import SiLU


@dataclass(frozen=True)
class Matrix:
    """The weight of an affine layer as a matrix, and how many columns it is multiplied by for one sample."""

    outputs: int
    inputs: int
    columns: int = 1


#: ``"forward"``: W x. ``"adjoint"``: W^T y. ``"outer"``: y x^T, summed over the columns.
Kind = Literal["forward", "adjoint", "outer"]


class Network(Protocol):
    """An energy of some architecture."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""

    def build(self) -> sm.Sequential:
        """The energy at its random start, the same one each time."""

    def matrices(self) -> list[Matrix]:
        """Of the layers with a weight, in order, the last sum left out."""


@dataclass(frozen=True)
class Dense:
    """Fully connected layers with SiLU between them and Student-t experts last; with one layer, a product of experts.

    Attributes:
        widths: Of the layers, the input's first: D, ..., M.
    """

    widths: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(D,)."""
        return self.widths[:1]

    def build(self) -> sm.Sequential:
        """The energy."""
        if len(self.widths) == 2:
            return ProductOfStudentT(*self.widths)
        torch.manual_seed(0)
        layers = [part for pair in itertools.pairwise(self.widths) for part in (sm.Linear(*pair), SiLU())]
        return sm.Sequential(*layers[:-1], sm.StudentT(), sm.WeightedSum(self.widths[-1]))

    def matrices(self) -> list[Matrix]:
        """One a layer, times one column."""
        return [Matrix(outputs, inputs) for inputs, outputs in itertools.pairwise(self.widths)]


@dataclass(frozen=True)
class Field:
    """A field of experts on square images.

    Attributes:
        filters: How many.
        size: Side of a filter.
        side: Of an image.
    """

    filters: int
    size: int
    side: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(1, side, side)."""
        return 1, self.side, self.side

    def build(self) -> sm.Sequential:
        """The energy."""
        return sm.Sequential(*FieldOfExperts(self.filters, self.size).layers)

    def matrices(self) -> list[Matrix]:
        """The filters, times the patches of an image."""
        return [Matrix(self.filters, self.size**2, (self.side - self.size + 1) ** 2)]


@dataclass(frozen=True)
class Convolutional:
    """Convolutions with SiLU between them and Student-t experts last, on square images; no padding.

    Attributes:
        channels: Of the layers, one or more.
        size: Side of a filter.
        side: Of an image.
    """

    channels: tuple[int, ...]
    size: int
    side: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(1, side, side)."""
        return 1, self.side, self.side

    def build(self) -> sm.Sequential:
        """The energy."""
        torch.manual_seed(0)
        pairs = itertools.pairwise((1, *self.channels))
        layers = [part for pair in pairs for part in (sm.Conv2d(*pair, self.size), SiLU())]
        return sm.Sequential(*layers[:-1], sm.StudentT(), sm.WeightedSum(self.channels[-1]))

    def matrices(self) -> list[Matrix]:
        """The filters of each layer, times the patches of what it looks at."""
        return [
            Matrix(outputs, inputs * self.size**2, (self.side - (i + 1) * (self.size - 1)) ** 2)
            for i, (inputs, outputs) in enumerate(itertools.pairwise((1, *self.channels)))
        ]


def data(network: Network, batch: int) -> Tensor:
    """A batch of standard normal samples, the same one each time."""
    return torch.randn(batch, *network.shape, generator=torch.Generator().manual_seed(1))


def plain(energy: sm.Sequential) -> nn.Sequential:
    """The same layers with the same parameters as a module of PyTorch, which does nothing but call them in order."""
    return nn.Sequential(*energy.layers)


def products(network: Network, lam: float) -> Iterator[tuple[Matrix, Kind]]:
    """The matrix products that one loss by the recursion, with its gradient by all weights, can't do without.

    A layer has one in sweep 1, two in sweep 2 (``d`` and ``d2``), two in sweep 3 (``a`` and ``a2``), and in sweep 4
    three outer products and, unless it is the first, one for ``c``. With ``lam`` at 0 the first layer does without
    those of ``d2`` and ``a2``, of which sums over the data are enough.

    Example:
        >>> [sum(1 for _ in products(Dense((144, 256)), lam)) for lam in (1e-3, 0)]
        [8, 5]
    """
    for i, matrix in enumerate(network.matrices()):
        second = i > 0 or lam > 0
        counts: tuple[tuple[Kind, int], ...] = (
            ("forward", 3 if second else 2),
            ("adjoint", (2 if second else 1) + (i > 0)),
            ("outer", 3 if second else 2),
        )
        for kind, count in counts:
            yield from itertools.repeat((matrix, kind), count)


def multiplications(network: Network, batch: int, lam: float) -> int:
    """Of all :func:`products` of a batch.

    Example:
        >>> multiplications(Dense((144, 256)), batch=2, lam=1e-3) == 8 * 2 * 144 * 256
        True
    """
    return sum(math.prod((m.outputs, m.inputs, m.columns, batch)) for m, _ in products(network, lam))
