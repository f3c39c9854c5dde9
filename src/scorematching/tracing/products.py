"""Products of two values, by layers whose rules are exact.

The sweeps know functions of one value each and sums, but no products. There are three exact ways around that, and
:func:`product` takes the first that applies:

1. Both factors are pointwise functions of one value, as in ``x * sigmoid(x)``: a :class:`Product`.
2. One factor is a root or the reciprocal of a root, as in ``x / sqrt(p)``: exponentials, see :func:`times_power`.
3. Otherwise ``a b = (a/2 + b/2)^2 - (a/2 - b/2)^2``, see :func:`_by_squares`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scorematching.layers import (
    Add,
    Exp,
    Identity,
    Layer,
    Multiply,
    Pointwise,
    PointwiseFunction,
    Power,
    Scale,
    Sigmoid,
    SiLU,
    Square,
)
from scorematching.layers.base import Gradients
from scorematching.tracing.builder import Builder, Value

Step = tuple[str, Layer, str]
#: Value, first, second and third derivative of a function of one number.
Jet = tuple[Tensor, Tensor, Tensor, Tensor]

#: Layers that map each entry to an entry.
ENTRYWISE = (Pointwise, Identity, Add, Multiply, Scale)


class Product(Pointwise):
    """Product of two pointwise functions of one value.

    Each function is a small graph of layers that act entry by entry. The derivatives follow from those of the layers by
    the chain rule and the product rule. The parameters of the layers are shared, not copied.

    Args:
        start: Name of the node that holds the value.
        steps: Triples (source node, layer, target node), sources first; a node is the sum of its incoming edges.
        factors: Names of the two nodes that are multiplied.

    Example:
        >>> from scorematching.layers import Tanh
        >>> Product("x", [("x", Tanh(), "t")], ("x", "t"))(torch.tensor([[2.0]]))
        tensor([[1.9281]])
    """

    def __init__(self, start: str, steps: Sequence[Step], factors: tuple[str, str]) -> None:
        super().__init__()
        self.start, self.factors = start, factors
        self.ends = [(source, target) for source, _, target in steps]
        self.layers = nn.ModuleList(layer for _, layer, _ in steps)
        self.recordable = all(layer.recordable for _, layer, _ in steps)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` if a layer does not accept its input."""
        if not self.recordable:  # only such layers read values
            self._values(x, check=True)

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return the product of the two functions at ``x``."""
        values = self._values(x)
        one, two = (values[factor] for factor in self.factors)
        return one * two

    def _values(self, x: Tensor, check: bool = False) -> dict[str, Tensor]:
        """Return the value at each node."""
        values = {self.start: x}
        for (source, target), layer in zip(self.ends, self.layers, strict=True):
            if check:
                layer.check_input(values[source])  # type: ignore[operator]  # the modules are layers
            y = layer(values[source])
            values[target] = values[target] + y if target in values else y
        return values

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``(u v)'``, ``(u v)''`` and ``(u v)'''`` for the factors ``u`` and ``v``, by the product rule."""
        zeros = torch.zeros_like(x)
        jets: dict[str, Jet] = {self.start: (x, torch.ones_like(x), zeros, zeros)}
        for (source, target), layer in zip(self.ends, self.layers, strict=True):
            jet = _behind(layer, jets[source])
            jets[target] = _plus(jets[target], jet) if target in jets else jet
        (u, u1, u2, u3), (v, v1, v2, v3) = (jets[factor] for factor in self.factors)
        return u1 * v + u * v1, u2 * v + 2 * u1 * v1 + u * v2, u3 * v + 3 * (u2 * v1 + u1 * v2) + u * v3

    def parameter_gradients(self, x: Tensor, p0: Tensor | None, p1: Tensor | None, p2: Tensor | None) -> Gradients:
        """Return the gradients by automatic differentiation."""
        return self.parameter_gradients_by_autograd(x, p0, p1, p2)


def _behind(layer: nn.Module, jet: Jet) -> Jet:
    """Return the jet of ``layer(u)`` from the jet of ``u``, by the chain rule."""
    u, u1, u2, u3 = jet
    if isinstance(layer, Pointwise):
        f1, f2, f3 = layer.derivatives(u)
        return layer(u), f1 * u1, f2 * u1 * u1 + f1 * u2, f3 * u1**3 + 3 * f2 * u1 * u2 + f1 * u3
    assert isinstance(layer, Identity | Add | Multiply | Scale)
    one, two, three = (layer.linear(part, layer.weight) for part in (u1, u2, u3))
    return layer(u), one, two, three


def _plus(one: Jet, two: Jet) -> Jet:
    """Return the jet of a sum."""
    (u, u1, u2, u3), (v, v1, v2, v3) = one, two
    return u + v, u1 + v1, u2 + v2, u3 + v3


def log() -> PointwiseFunction:
    """Return the logarithm as a layer."""
    return PointwiseFunction(torch.log, torch.reciprocal, lambda x: -(x**-2), lambda x: 2 * x**-3)


def product(b: Builder, one: Value, two: Value) -> Value:
    """Return ``one * two``."""
    if one.node == two.node:
        return b.apply(one, Square())
    if (found := _of_one_value(b, one, two)) is not None:
        start, layer = found
        return b.apply(start, layer)
    for factor, other in ((two, one), (one, two)):
        if (power := _as_power(b, factor)) is not None:
            return times_power(b, other, *power)
    return _by_squares(b, *b.together(one, two))


def quotient(b: Builder, one: Value, two: Value) -> Value:
    """Return ``one / two``."""
    reciprocal = b.apply(two, Power(-1), "reciprocal")
    power = _as_power(b, two)
    if power is None or _of_one_value(b, one, reciprocal) is not None:
        return product(b, one, reciprocal)
    return times_power(b, one, power[0], -power[1])


def times_power(b: Builder, a: Value, p: Value, exponent: float, part: str = "") -> Value:
    """Return ``a p^e`` for positive ``p`` and ``e`` = 1/2 or -1/2, without loss of digits for sizes of any ratio.

    With ``w± = sqrt(a^2 + k^2 / 2) / sqrt(2) ± a / 2`` the product is ``w+ p^e - w- p^e``, for any ``k``. Both ``w``
    are positive, and of the size of ``|a| + k``, so each term is ``exp(log w + log p^e)`` without cancellation. With
    ``k = p^-e`` the terms have about the size of the result, or of 1.
    """
    squared = p if exponent == -0.5 else b.apply(p, Power(-2 * exponent), "squared")
    a, squared = b.together(a, squared)
    root = b.apply(b.sum([(a, Square()), (squared, Multiply(0.5))], "sum"), Power(0.5), "root")
    power = b.expand(b.apply(b.apply(p, Power(exponent), "power"), log(), "log_power"), a.shape)
    terms = []
    for sign, side in ((0.5, "plus"), (-0.5, "minus")):
        w = b.sum([(root, Multiply(math.sqrt(0.5))), (a, Multiply(sign))], side)
        terms.append(b.sum([(w, log()), (power, Identity())], f"log_{side}"))
    negative = b.apply(terms[1], Exp(), "exp_minus")
    return b.sum([(terms[0], Exp()), (negative, Multiply(-1.0))], part)


def _of_one_value(b: Builder, one: Value, two: Value) -> tuple[Value, Layer] | None:
    """Return the last value that both factors are pointwise functions of, and their product; None if there is none."""
    needed, steps = {one.node, two.node}, list[Step]()
    for target, incoming in itertools.groupby(reversed(b.edges), key=lambda edge: edge[2]):
        if len(needed) == 1:
            break
        if target in needed:
            edges = list(incoming)
            if not all(isinstance(layer, ENTRYWISE) for _, layer, _ in edges):
                return None
            needed = needed - {target} | {source for source, _, _ in edges}
            steps = edges[::-1] + steps
    (start,) = needed
    if len(steps) == 1 and isinstance(steps[0][1], Sigmoid):
        return b.values[start], SiLU()
    return b.values[start], Product(start, steps, (one.node, two.node))


def _as_power(b: Builder, value: Value) -> tuple[Value, float] | None:
    """Return ``(p, e)`` if the value was made as ``p^e`` with ``e`` = 1/2 or -1/2; otherwise None."""
    incoming = [(source, layer) for source, layer, target in b.edges if target == value.node]
    if len(incoming) != 1 or not isinstance(layer := incoming[0][1], Power) or abs(layer.exponent) != 0.5:
        return None
    return b.values[incoming[0][0]], layer.exponent


def _by_squares(b: Builder, one: Value, two: Value) -> Value:
    """Return ``one * two`` as the difference of ``(s one + two / s)^2 / 4`` and ``(s one - two / s)^2 / 4``.

    The factor ``s`` gives both terms about the same size for the example: squares of terms with very different sizes
    lose digits. It is a power of 2, so it adds no rounding error.
    """
    ratio = float(two.example.square().mean().sqrt() / one.example.square().mean().sqrt())
    s = 2.0 ** round(math.log2(ratio) / 2) if 0 < ratio < math.inf else 1.0
    plus = b.sum([(one, Multiply(s / 2)), (two, Multiply(0.5 / s))], "plus")
    minus = b.sum([(one, Multiply(s / 2)), (two, Multiply(-0.5 / s))], "minus")
    return b.sum([(plus, Square()), (b.apply(minus, Square(), "square"), Multiply(-1.0))])
