"""What a layer is: a function on an edge of the graph, with its rules for the sweeps.

The rules themselves are in ``families.py``. A layer sits on an edge of the graph and maps the value ``x`` of its
source node to a summand ``y`` of its target node. For each node the sweeps carry five quantities
(symbols of the paper on the left)::

    g            g    the node's value                                            sweep 1, forward
    delta        d    dE/dg                                                       sweep 2, backward
    delta'       d2   the diagonal of d2E/dg2                                     sweep 2, backward
    dJ/d delta   a    how the loss depends on d                                   sweep 3, forward
    dJ/d delta'  a2   how the loss depends on d2                                  sweep 3, forward
    dJ/dg        c    how the loss depends on the value, once d, d2 are unrolled  sweep 4, backward

A rule takes the quantities of one end of the edge and gives the edge's summand for the other end. ``None`` stands
for a tensor of zeros, so that what is zero costs nothing, and a batch of one for a tensor that is the same for all
samples. Numbers in brackets are equations of the supplement to Kingma & LeCun, *Regularized estimation of image
statistics by Score Matching*, NIPS 2010.

Where whole Hessians or Jacobians are carried, a layer acts on *columns*: tensors of shape (N, K, ...) that hold K
vectors a sample. Column rules are those of ``J``, the layer's own Jacobian at its input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

Gradients = dict[str, Tensor]
#: What a layer works out once at its input and uses in every sweep; the input itself comes first.
Local = tuple[Any, ...]
#: Coefficients of a linear map: a tensor, one number for all, or ``None`` for a map of zeros and ones.
Coefficients = Any


class Span(NamedTuple):
    """Which positions a position ``q`` sees along one dimension: from ``rate q + first`` to ``rate q + last``."""

    rate: Fraction
    first: Fraction
    last: Fraction

    def behind(self, other: Span) -> Span:
        """What is seen by way of this span, of what ``other`` sees."""
        return Span(self.rate * other.rate, other.first + other.rate * self.first, other.last + other.rate * self.last)


#: The span of a layer that keeps every position at its place.
HERE = Span(Fraction(1), Fraction(0), Fraction(0))


class Sides(NamedTuple):
    """What sweep 4 needs of an edge: ``d``, ``d2``, ``c`` of its target node and ``a``, ``a2`` of its source node."""

    d: Tensor
    d2: Tensor | None
    a: Tensor | None
    a2: Tensor | None
    c: Tensor | None


def total(*terms: Tensor | None) -> Tensor | None:
    """Sum of tensors, where ``None`` is zero."""
    present = [term for term in terms if term is not None]
    return sum(present[1:], present[0]) if present else None


def times(*factors: Tensor | None) -> Tensor | None:
    """Product of tensors, where ``None`` is zero."""
    result: Tensor | None = None
    for factor in factors:
        if factor is None:
            return None
        result = factor if result is None else result * factor
    return result


def maybe(rule: Callable[..., Tensor], *tensors: Tensor | None) -> Tensor | None:
    """A rule that is linear in each of its arguments, where ``None`` is zero."""
    return None if any(tensor is None for tensor in tensors) else rule(*tensors)


def channel_view(values: Tensor, ndim: int) -> Tensor:
    """View of ``values``, shape (C,), that broadcasts along dimension 1 of a tensor of ``ndim`` dimensions."""
    return values.view(-1, *[1] * (ndim - 2))


def channel_sum(values: Tensor) -> Tensor:
    """Sum over all dimensions but dimension 1: shape (N, C, ...) to (C,)."""
    return values.sum([i for i in range(values.ndim) if i != 1])


class Layer(nn.Module, ABC):
    """A function on an edge, with its rules for the four sweeps.

    Subclass :class:`Affine` or :class:`Pointwise`, which hold the rules; this class only names them.
    """

    #: Whether second derivatives vanish everywhere: the value of a node from which only such layers lead to the
    #: energy has no influence on the loss.
    affine: ClassVar[bool]
    #: Whether the rules make the same list of operations on tensors whatever the values, so that it can be compiled.
    recordable: bool = True

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError``, saying what was expected, where ``x`` does not fit. The default accepts all."""

    def stand_in(self, x: Tensor) -> Tensor:
        """A tensor of the shape of ``forward(x)``, of any values, where only the shape is asked for."""
        return self(x)

    def multiplications(self, x: torch.Size, y: torch.Size) -> int:
        """How many it takes to make one output of shape ``y`` of one input of shape ``x``; moves and sums are free."""
        return 0

    def footprint(self) -> tuple[Span, Span] | None:
        """Which positions of the input, along height and width, an output sees; ``None`` if it may be any.

        What is not known to keep to positions must not claim so: then nothing is said to be exact that is not.
        """
        return None

    @abstractmethod
    def local(self, x: Tensor, curvature: bool = True) -> Local:
        """What the sweeps need of this layer at its input ``x``; ``x`` itself comes first.

        Without ``curvature`` it is enough for :meth:`pull_d`.
        """

    @abstractmethod
    def pull_d(self, local: Local, d: Tensor) -> Tensor:
        """Sweep 2: the layer's summand of ``d`` at its source, (1).

        Of the input in ``local`` only the shape is to be used: for a score alone its values are not kept.
        """

    @abstractmethod
    def pull_d2(self, local: Local, d: Tensor, d2: Tensor | None) -> Tensor | None:
        """Sweep 2: the layer's summand of ``d2`` at its source, section 1.3."""

    @abstractmethod
    def push_a(self, local: Local, a: Tensor | None, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: the layer's summand of ``a`` at its target, (4) and (6)."""

    @abstractmethod
    def push_a2(self, local: Local, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: the layer's summand of ``a2`` at its target, (8)."""

    @abstractmethod
    def pull_c(self, local: Local, sides: Sides) -> Tensor | None:
        """Sweep 4: the layer's summand of ``c`` at its source, (9) and (10)."""

    @abstractmethod
    def gradients(self, local: Local, sides: Sides) -> Gradients:
        """Sweep 4: dJ/dw for each own parameter that asks for a gradient, by name."""

    @abstractmethod
    def pull_columns(self, local: Local, h: Tensor) -> Tensor:
        """``J^T h`` for columns ``h``, shape (N, K, ...), of the target node: one side of (2)."""

    @abstractmethod
    def push_columns(self, local: Local, g: Tensor) -> Tensor:
        """``J g`` for columns ``g``, shape (N, K, ...), of the source node; N may be 1, for all samples."""

    @abstractmethod
    def pull_pairing(self, local: Local, h: Tensor, g: Tensor) -> Tensor | None:
        """Gradient of ``<h, J g>`` by the layer's input, for columns ``h`` of the target and ``g`` of the source."""

    @abstractmethod
    def pairing_gradients(self, local: Local, h: Tensor, g: Tensor) -> Gradients:
        """Gradient of ``<h, J g>`` by each own parameter that asks for a gradient, by name."""
