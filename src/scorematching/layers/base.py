"""The interface of a layer: a function on an edge of the graph, with its rules for the four sweeps.

The rules themselves are in ``families.py``. A layer maps the value ``x`` of its edge's source node to a summand ``y``
of the target node. For each node the sweeps carry six quantities (the paper's symbols on the left)::

    g            g    value of the node                                           sweep 1, forward
    delta        d    dE/dg                                                       sweep 2, backward
    delta'       d2   diagonal of d2E/dg2                                         sweep 2, backward
    dJ/d delta   a    derivative of the loss with respect to d                    sweep 3, forward
    dJ/d delta'  a2   derivative of the loss with respect to d2                   sweep 3, forward
    dJ/dg        c    derivative of the loss with respect to g, through d and d2  sweep 4, backward

A rule takes the quantities at one end of the edge, and returns the term that the edge adds at its other end. ``pull``
rules go backward, from the target to the source. ``push`` rules go forward, from the source to the target. Two
conventions save work: ``None`` stands for a tensor of zeros, and a batch of one stands for a tensor that is the same
for all samples.
Numbers in parentheses are equations of the supplement to Kingma & LeCun, *Regularized estimation of image statistics by
Score Matching*, NIPS 2010.

Methods that compute whole Hessians or Jacobians apply a layer to *columns*: tensors of shape (N, K, ...) that hold K
vectors per sample. The rules for columns multiply them by ``J``, the Jacobian of the layer at its input, or by ``J^T``.
A *pairing* is a scalar product ``<h, J g>`` of columns ``h`` at the target and columns ``g`` at the source.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

Gradients = dict[str, Tensor]
#: Coefficients of a linear map: a tensor, one number for all, or ``None`` for a map of zeros and ones.
Coefficients = Any
#: Named tuple of quantities that a layer computes once at its input and uses in every sweep; the first field is ``x``.
Local = Any


class AffineLocal(NamedTuple):
    """Quantities of an affine layer that the sweeps use.

    Attributes:
        x: The input.
        w: The coefficients of the linear map.
        ww: Their squares, entry by entry.
    """

    x: Tensor
    w: Coefficients
    ww: Coefficients


class PointwiseLocal(NamedTuple):
    """Quantities of a pointwise layer that the sweeps use.

    Attributes:
        x: The input.
        f1: ``f'(x)``.
        f2: ``f''(x)``, or ``None`` if only ``d`` is needed.
        f3: ``f'''(x)``, or ``None`` if only ``d`` is needed.
    """

    x: Tensor
    f1: Tensor
    f2: Any
    f3: Any


class Sides(NamedTuple):
    """Quantities at both ends of an edge that sweep 4 uses.

    Attributes:
        d: ``d`` of the target node.
        d2: ``d2`` of the target node.
        a: ``a`` of the source node.
        a2: ``a2`` of the source node.
        c: ``c`` of the target node.
    """

    d: Tensor
    d2: Tensor | None
    a: Tensor | None
    a2: Tensor | None
    c: Tensor | None


class Span(NamedTuple):
    """Input positions that output position ``q`` depends on, in one dimension.

    They run from ``rate q + first`` to ``rate q + last``.
    """

    rate: Fraction
    first: Fraction
    last: Fraction

    def behind(self, other: Span) -> Span:
        """Return the span of a composition: first a map with the span ``other``, then one with this span."""
        return Span(self.rate * other.rate, other.first + other.rate * self.first, other.last + other.rate * self.last)


#: The span of a layer that keeps every position in place.
HERE = Span(Fraction(1), Fraction(0), Fraction(0))


def total(*terms: Tensor | None) -> Tensor | None:
    """Return the sum of tensors, where ``None`` is zero."""
    present = [term for term in terms if term is not None]
    return sum(present[1:], present[0]) if present else None


def times(*factors: Tensor | None) -> Tensor | None:
    """Return the product of tensors, where ``None`` is zero."""
    result: Tensor | None = None
    for factor in factors:
        if factor is None:
            return None
        result = factor if result is None else result * factor
    return result


def maybe(rule: Callable[..., Tensor], *tensors: Tensor | None) -> Tensor | None:
    """Return ``rule(*tensors)`` for a rule that is linear in each argument, where ``None`` is zero."""
    return None if any(tensor is None for tensor in tensors) else rule(*tensors)


def channel_view(values: Tensor, ndim: int) -> Tensor:
    """View ``values``, shape (C,), so that they broadcast along dimension 1 of a tensor of ``ndim`` dimensions."""
    return values.view(-1, *[1] * (ndim - 2))


def channel_sum(values: Tensor) -> Tensor:
    """Sum over all dimensions but dimension 1: shape (N, C, ...) to (C,)."""
    return values.sum([i for i in range(values.ndim) if i != 1])


class Layer(nn.Module, ABC):
    """A function on an edge, with its rules for the four sweeps.

    This class only names the rules. Subclass :class:`Affine` or :class:`Pointwise`, which implement them.
    """

    #: Whether second derivatives vanish everywhere. If all layers between a node and the energy are affine, the value
    #: of the node has no influence on the loss.
    affine: ClassVar[bool]
    #: Whether the rules run the same tensor operations for all values of their inputs, so that they can be compiled.
    recordable: bool = True

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError``, with the expected shape, if ``x`` has another one. The default accepts every input."""

    def stand_in(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``forward(x)``, with arbitrary values: only its shape is used."""
        return self(x)

    def footprint(self) -> tuple[Span, Span] | None:
        """Return the input positions that an output position depends on, along height and width.

        A signal, shape (N, C, L), has its positions along the height.

        Return ``None`` unless locality is certain: a wrong span makes the library report an approximation as exact.
        """
        return None

    @abstractmethod
    def local(self, x: Tensor, curvature: bool = True) -> Local:
        """Return the quantities that the sweeps use at the input ``x``: a named tuple whose first field is ``x``.

        If ``curvature`` is False, only :meth:`pull_d` is called with them.
        """

    @abstractmethod
    def pull_d(self, local: Local, d: Tensor) -> Tensor:
        """Sweep 2: return the term that the layer adds to ``d`` of its source, (1).

        Use only the shape of ``local.x``: its values are not kept if only a score is computed.
        """

    @abstractmethod
    def pull_d2(self, local: Local, d: Tensor, d2: Tensor | None) -> Tensor | None:
        """Sweep 2: return the term that the layer adds to ``d2`` of its source, section 1.3."""

    @abstractmethod
    def push_a(self, local: Local, a: Tensor | None, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: return the term that the layer adds to ``a`` of its target, (4) and (6)."""

    @abstractmethod
    def push_a2(self, local: Local, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: return the term that the layer adds to ``a2`` of its target, (8)."""

    @abstractmethod
    def pull_c(self, local: Local, sides: Sides) -> Tensor | None:
        """Sweep 4: return the term that the layer adds to ``c`` of its source, (9) and (10)."""

    @abstractmethod
    def gradients(self, local: Local, sides: Sides) -> Gradients:
        """Sweep 4: return dJ/dw for each parameter of this layer that requires a gradient, by name."""

    @abstractmethod
    def pull_columns(self, local: Local, h: Tensor) -> Tensor:
        """Return ``J^T h`` for columns ``h`` at the target node, shape (N, K, ...). Two such products make (2)."""

    @abstractmethod
    def push_columns(self, local: Local, g: Tensor) -> Tensor:
        """Return ``J g`` for columns ``g`` at the source node, shape (N, K, ...), or (1, K, ...) for all samples."""

    @abstractmethod
    def pull_pairing(self, local: Local, h: Tensor, g: Tensor) -> Tensor | None:
        """Return the gradient of the pairing ``<h, J g>`` with respect to ``x``; ``None`` is zero."""

    @abstractmethod
    def pairing_gradients(self, local: Local, h: Tensor, g: Tensor) -> Gradients:
        """Return the gradient of the pairing ``<h, J g>`` for each parameter that requires a gradient, by name."""
