"""Energies of the speed benchmarks, as descriptions that can be sent to other processes, and their least work."""

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
    """Size of an affine layer's weight as a matrix, and number of columns that multiply it for one sample."""

    outputs: int
    inputs: int
    columns: int = 1


#: Kinds of matrix products: ``"forward"``: W x. ``"adjoint"``: W^T y. ``"outer"``: y x^T, summed over the columns.
Kind = Literal["forward", "adjoint", "outer"]


class Network(Protocol):
    """Description of an energy network."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""

    def build(self) -> sm.Sequential:
        """Return the energy with random weights, the same each time."""

    def matrices(self) -> list[Matrix]:
        """Return the matrices of the layers with a weight, in order, without the last sum."""


@dataclass(frozen=True)
class Dense:
    """Fully connected layers with SiLU between them and Student-t experts last.

    With one layer it is a product of experts.

    Attributes:
        widths: Widths of the input and of all layers: D, ..., M.
    """

    widths: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(D,)."""
        return self.widths[:1]

    def build(self) -> sm.Sequential:
        """Return the energy."""
        if len(self.widths) == 2:
            return ProductOfStudentT(*self.widths)
        torch.manual_seed(0)
        layers = [part for pair in itertools.pairwise(self.widths) for part in (sm.Linear(*pair), SiLU())]
        return sm.Sequential(*layers[:-1], sm.StudentT(), sm.WeightedSum(self.widths[-1]))

    def matrices(self) -> list[Matrix]:
        """Return one matrix per layer, with one column."""
        return [Matrix(outputs, inputs) for inputs, outputs in itertools.pairwise(self.widths)]


@dataclass(frozen=True)
class Field:
    """Field of experts on square images.

    Attributes:
        filters: Number of filters.
        size: Side of a filter in pixels.
        side: Side of an image in pixels.
    """

    filters: int
    size: int
    side: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(1, side, side)."""
        return 1, self.side, self.side

    def build(self) -> sm.Sequential:
        """Return the energy."""
        return sm.Sequential(*FieldOfExperts(self.filters, self.size).layers)

    def matrices(self) -> list[Matrix]:
        """Return the filters, with one column per patch of an image."""
        return [Matrix(self.filters, self.size**2, (self.side - self.size + 1) ** 2)]


@dataclass(frozen=True)
class Convolutional:
    """Convolutions without padding on square images, with SiLU between them and Student-t experts last.

    Attributes:
        channels: Output channels of each layer.
        size: Side of a filter in pixels.
        side: Side of an image in pixels.
    """

    channels: tuple[int, ...]
    size: int
    side: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(1, side, side)."""
        return 1, self.side, self.side

    def build(self) -> sm.Sequential:
        """Return the energy."""
        torch.manual_seed(0)
        pairs = itertools.pairwise((1, *self.channels))
        layers = [part for pair in pairs for part in (sm.Conv2d(*pair, self.size), SiLU())]
        return sm.Sequential(*layers[:-1], sm.StudentT(), sm.WeightedSum(self.channels[-1]))

    def matrices(self) -> list[Matrix]:
        """Return the filters of each layer, with one column per patch of the layer's input."""
        return [
            Matrix(outputs, inputs * self.size**2, (self.side - (i + 1) * (self.size - 1)) ** 2)
            for i, (inputs, outputs) in enumerate(itertools.pairwise((1, *self.channels)))
        ]


def data(network: Network, batch: int) -> Tensor:
    """Return a batch of standard normal samples, the same each time."""
    return torch.randn(batch, *network.shape, generator=torch.Generator().manual_seed(1))


def plain(energy: sm.Sequential) -> nn.Sequential:
    """Return the same layers with the same parameters as a ``torch.nn.Sequential``."""
    return nn.Sequential(*energy.layers)


def products(network: Network, lam: float) -> Iterator[tuple[Matrix, Kind]]:
    """Yield the matrix products that the loss with the recursion and its gradient need at least.

    A layer needs one product in sweep 1, two in sweep 2 (for ``d`` and ``d2``) and two in sweep 3 (for ``a`` and
    ``a2``). In sweep 4 it needs three outer products, and one product for ``c`` unless it is the first layer. With
    ``lam = 0`` the first layer needs no products for ``d2`` and ``a2``, because sums over the data are enough.

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
    """Return the number of multiplications in all :func:`products` for a batch.

    Example:
        >>> multiplications(Dense((144, 256)), batch=2, lam=1e-3) == 8 * 2 * 144 * 256
        True
    """
    return sum(math.prod((m.outputs, m.inputs, m.columns, batch)) for m, _ in products(network, lam))
