"""The two families of layers, and every rule of the sweeps, each at one place.

Symbols are those of ``base.py``; numbers in brackets are equations of the supplement to Kingma & LeCun (2010).
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from scorematching.layers.base import (
    HERE,
    Coefficients,
    Gradients,
    Layer,
    Local,
    Sides,
    Span,
    channel_sum,
    channel_view,
    maybe,
    times,
    total,
)


class Affine(Layer):
    """``y = W x + b``, for any linear map ``W`` that is made of coefficients ``w``.

    A concrete layer says how the map is applied (:meth:`linear`), how its adjoint is (:meth:`adjoint`), and, if it
    has a ``weight`` to learn, how two tensors make its gradient (:meth:`outer`). ``W∘W`` is the same map with
    squared coefficients; a map of zeros and ones has no coefficients (``None``) and is its own square.
    """

    affine = True

    def __init__(self) -> None:
        super().__init__()
        self.weight: Coefficients = None
        self.bias: nn.Parameter | None = None

    @abstractmethod
    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """``W x`` with coefficients ``w``, for a batch ``x``."""

    @abstractmethod
    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """``W^T y`` with coefficients ``w``, where ``shape`` is that of the input ``x``."""

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Gradient of ``<y, W x>`` by the coefficients: ``y x^T``, summed over the batch."""
        raise TypeError(f"{type(self).__name__} has no weight to learn, so it needs no outer product")

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: ``W x + b``."""
        y = self.linear(x, self.weight)
        return y if self.bias is None else y + channel_view(self.bias, y.ndim)

    def local(self, x: Tensor, curvature: bool = True) -> Local:
        """The input, ``w`` and ``w∘w``, which every sweep shares."""
        return x, self.weight, None if self.weight is None else self.weight * self.weight

    def pull_d(self, local: Local, d: Tensor) -> Tensor:
        """Sweep 2: ``W^T d``, section 3.1."""
        x, w, _ = local
        return self._back(d, w, x)

    def pull_d2(self, local: Local, d: Tensor, d2: Tensor | None) -> Tensor | None:
        """Sweep 2: ``(W∘W)^T d2``, section 3.1."""
        x, _, ww = local
        return maybe(lambda t: self._back(t, ww, x), d2)

    def push_a(self, local: Local, a: Tensor | None, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: ``W a``, (11) and (12)."""
        _, w, _ = local
        return maybe(lambda t: self.linear(t, w), a)

    def push_a2(self, local: Local, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: ``(W∘W) a2``, (13)."""
        _, _, ww = local
        return maybe(lambda t: self.linear(t, ww), a2)

    def pull_c(self, local: Local, sides: Sides) -> Tensor | None:
        """Sweep 4: ``W^T c``, (14) and (15)."""
        x, w, _ = local
        return maybe(lambda t: self._back(t, w, x), sides.c)

    def gradients(self, local: Local, sides: Sides) -> Gradients:
        """Sweep 4: ``c x^T + d a^T + 2 W∘(d2 a2^T)`` for the weight, (16) and (17), and ``c`` for the bias."""
        x, w, _ = local
        if strange := {name for name, _ in self.named_parameters()} - {"weight", "bias"}:
            raise TypeError(f"{type(self).__name__} has parameters {sorted(strange)}: only weight and bias are learned")
        found: Gradients = {}
        if isinstance(w, Tensor) and w.requires_grad:
            d, d2, a, a2, c = sides
            curved = self._paired(d2, a2, len(x))
            gradient = total(
                self._paired(c, x, len(x)), self._paired(d, a, len(x)), None if curved is None else 2 * w * curved
            )
            if gradient is not None:
                found["weight"] = gradient
        if self.bias is not None and self.bias.requires_grad and sides.c is not None:
            found["bias"] = channel_sum(sides.c)
        return found

    def _back(self, y: Tensor, w: Coefficients, x: Tensor) -> Tensor:
        """:meth:`adjoint` to samples like those of ``x``; a batch of one stands for all samples."""
        return self.adjoint(y, w, torch.Size((len(y), *x.shape[1:])))

    def _paired(self, y: Tensor | None, x: Tensor | None, samples: int) -> Tensor | None:
        """:meth:`outer`, summed over ``samples``, where ``None`` is zero and a batch of one stands for all samples."""
        if y is None or x is None:
            return None
        if len(y) == len(x):
            return self.outer(y, x) if len(x) == samples else samples * self.outer(y, x)
        return self.outer(*(t if len(t) == 1 else t.sum(0, keepdim=True) for t in (y, x)))

    def pull_columns(self, local: Local, h: Tensor) -> Tensor:
        """``W^T h``."""
        x, w, _ = local
        n, k = h.shape[:2]
        return self.adjoint(h.flatten(0, 1), w, torch.Size((n * k, *x.shape[1:]))).unflatten(0, (n, k))

    def push_columns(self, local: Local, g: Tensor) -> Tensor:
        """``W g``."""
        return self.linear(g.flatten(0, 1), local[1]).unflatten(0, g.shape[:2])

    def pull_pairing(self, local: Local, h: Tensor, g: Tensor) -> Tensor | None:
        """Zero: ``J`` does not depend on the input."""
        return None

    def pairing_gradients(self, local: Local, h: Tensor, g: Tensor) -> Gradients:
        """``h g^T``."""
        w = local[1]
        learned = isinstance(w, Tensor) and w.requires_grad
        return {"weight": self.outer(h.flatten(0, 1), g.flatten(0, 1))} if learned else {}


class Pointwise(Layer):
    """``y = f(x)``, entry by entry.

    A concrete layer gives ``f`` as :meth:`forward` and ``f', f'', f'''`` as :meth:`derivatives`, and, if it has
    parameters, :meth:`parameter_gradients`.

    Example:
        >>> class Cube(Pointwise):
        ...     def forward(self, x):
        ...         return x**3
        ...     def derivatives(self, x):
        ...         return 3 * x**2, 6 * x, torch.full_like(x, 6.0)
        >>> import scorematching as sm
        >>> report = sm.checks.check_layer(Cube(), torch.randn(2, 5, dtype=torch.float64))
        >>> max(report.values()) < 1e-10
        True
    """

    affine = False

    @abstractmethod
    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``f'(x), f''(x), f'''(x)``, each of the shape of ``x``."""

    def parameter_gradients(self, x: Tensor, p0: Tensor | None, p1: Tensor | None, p2: Tensor | None) -> Gradients:
        """Gradient of ``<p0, f> + <p1, f'> + <p2, f''>`` by each own parameter."""
        raise TypeError(f"{type(self).__name__} has parameters, so it needs a method parameter_gradients")

    def stand_in(self, x: Tensor) -> Tensor:
        """The input: it has the shape of the output."""
        return x

    def footprint(self) -> tuple[Span, Span]:
        """The same position."""
        return HERE, HERE

    def slope(self, x: Tensor) -> Tensor:
        """``f'(x)`` alone, for the score; to be overridden where that is cheaper than all derivatives."""
        return self.derivatives(x)[0]

    def local(self, x: Tensor, curvature: bool = True) -> Local:
        """The input and ``f', f'', f'''`` there."""
        return (x, *self.derivatives(x)) if curvature else (x, self.slope(x), None, None)

    def pull_d(self, local: Local, d: Tensor) -> Tensor:
        """Sweep 2: ``f' d``, (1)."""
        _, f1, _, _ = local
        return f1 * d

    def pull_d2(self, local: Local, d: Tensor, d2: Tensor | None) -> Tensor | None:
        """Sweep 2: ``f'^2 d2 + f'' d``, section 1.3."""
        _, f1, f2, _ = local
        return total(f2 * d, times(d2, f1, f1))

    def push_a(self, local: Local, a: Tensor | None, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: ``f' a + f'' a2``, (18) and (19)."""
        _, f1, f2, _ = local
        return total(times(f1, a), times(f2, a2))

    def push_a2(self, local: Local, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: ``f'^2 a2``, (20)."""
        _, f1, _, _ = local
        return times(a2, f1, f1)

    def pull_c(self, local: Local, sides: Sides) -> Tensor | None:
        """Sweep 4: ``f' c + f'' d a + (2 f' f'' d2 + f''' d) a2``, (21) and (22)."""
        _, f1, f2, f3 = local
        p0, p1, p2 = self._multipliers(local, sides)
        return total(times(f1, p0), times(f2, p1), times(f3, p2))

    def gradients(self, local: Local, sides: Sides) -> Gradients:
        """Sweep 4: (21) and (22) with the derivative by a parameter in the place of the derivative by ``x``."""
        if not any(p.requires_grad for p in self.parameters()):
            return {}
        x = local[0]
        multipliers = (maybe(lambda p: p.expand_as(x), p) for p in self._multipliers(local, sides))
        return self.parameter_gradients(x, *multipliers)

    def pull_columns(self, local: Local, h: Tensor) -> Tensor:
        """``f' h``."""
        return local[1].unsqueeze(1) * h

    def push_columns(self, local: Local, g: Tensor) -> Tensor:
        """``f' g``."""
        return local[1].unsqueeze(1) * g

    def pull_pairing(self, local: Local, h: Tensor, g: Tensor) -> Tensor | None:
        """``f'' h g``, summed over the columns."""
        return local[2] * (h * g).sum(1)

    def pairing_gradients(self, local: Local, h: Tensor, g: Tensor) -> Gradients:
        """The same with the derivative by a parameter in the place of the derivative by ``x``."""
        if not any(p.requires_grad for p in self.parameters()):
            return {}
        return self.parameter_gradients(local[0], None, (h * g).sum(1), None)

    @staticmethod
    def _multipliers(local: Local, sides: Sides) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """What multiplies a change of ``f``, ``f'`` and ``f''`` in the loss: ``c``, ``d a + 2 d2 a2 f'``, ``d a2``."""
        d, d2, a, a2, c = sides
        p1 = total(times(d, a), times(d2, a2, 2 * local[1]) if d2 is not None else None)
        return c, p1, times(d, a2)
