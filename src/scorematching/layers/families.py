"""The two families of layers, with every rule of the sweeps in one place.

Symbols are those of ``base.py``; numbers in parentheses are equations of the supplement to Kingma & LeCun (2010).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from scorematching.layers.base import (
    HERE,
    AffineLocal,
    Coefficients,
    Gradients,
    Layer,
    PointwiseLocal,
    Sides,
    Span,
    channel_sum,
    channel_view,
    maybe,
    times,
    total,
)


class Affine(Layer):
    """``y = W x + b``, for any linear map ``W`` with coefficients ``w``.

    A concrete layer implements the map (:meth:`linear`), its adjoint (:meth:`adjoint`) and, if its ``weight`` is
    learned, the gradient with respect to the weight (:meth:`outer`). ``W∘W`` is the same map with squared
    coefficients. A map of zeros and ones has no coefficients (``None``) and is its own square.
    """

    affine = True

    def __init__(self) -> None:
        super().__init__()
        self.weight: Coefficients = None
        self.bias: nn.Parameter | None = None

    @abstractmethod
    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``W x`` with coefficients ``w``, for a batch ``x``."""

    @abstractmethod
    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``W^T y`` with coefficients ``w``; ``shape`` is the shape of the input ``x``, and of the result."""

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Return the gradient of ``<y, W x>`` with respect to the coefficients: ``y x^T``, summed over the batch."""
        raise TypeError(f"{type(self).__name__} has no weight to learn, so it needs no outer product")

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: ``W x + b``."""
        y = self.linear(x, self.weight)
        return y if self.bias is None else y + channel_view(self.bias, y.ndim)

    def local(self, x: Tensor, curvature: bool = True) -> AffineLocal:
        """Return the input, ``w`` and ``w∘w``."""
        return AffineLocal(x, self.weight, None if self.weight is None else self.weight * self.weight)

    def pull_d(self, local: AffineLocal, d: Tensor) -> Tensor:
        """Sweep 2: ``W^T d``, section 3.1."""
        return self._back(d, local.w, local.x)

    def pull_d2(self, local: AffineLocal, d: Tensor, d2: Tensor | None) -> Tensor | None:
        """Sweep 2: ``(W∘W)^T d2``, section 3.1."""
        return maybe(lambda d2: self._back(d2, local.ww, local.x), d2)

    def push_a(self, local: AffineLocal, a: Tensor | None, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: ``W a``, (11) and (12)."""
        return maybe(lambda a: self.linear(a, local.w), a)

    def push_a2(self, local: AffineLocal, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: ``(W∘W) a2``, (13)."""
        return maybe(lambda a2: self.linear(a2, local.ww), a2)

    def pull_c(self, local: AffineLocal, sides: Sides) -> Tensor | None:
        """Sweep 4: ``W^T c``, (14) and (15)."""
        return maybe(lambda c: self._back(c, local.w, local.x), sides.c)

    def gradients(self, local: AffineLocal, sides: Sides) -> Gradients:
        """Sweep 4: ``c x^T + d a^T + 2 W∘(d2 a2^T)`` for the weight, (16) and (17), and ``c`` for the bias.

        All are summed over the batch.
        """
        if strange := {name for name, _ in self.named_parameters()} - {"weight", "bias"}:
            raise TypeError(f"{type(self).__name__} has parameters {sorted(strange)}: only weight and bias are learned")
        (x, w, _), (d, d2, a, a2, c) = local, sides
        found: Gradients = {}
        if isinstance(w, Tensor) and w.requires_grad:
            n = len(x)
            curved = maybe(lambda pairs: 2 * w * pairs, self._paired(d2, a2, n))
            gradient = total(self._paired(c, x, n), self._paired(d, a, n), curved)
            if gradient is not None:
                found["weight"] = gradient
        if self.bias is not None and self.bias.requires_grad and c is not None:
            found["bias"] = channel_sum(c)
        return found

    def pull_columns(self, local: AffineLocal, h: Tensor) -> Tensor:
        """Return ``W^T h``."""
        return self._back(h.flatten(0, 1), local.w, local.x).unflatten(0, h.shape[:2])

    def push_columns(self, local: AffineLocal, g: Tensor) -> Tensor:
        """Return ``W g``."""
        return self.linear(g.flatten(0, 1), local.w).unflatten(0, g.shape[:2])

    def pull_pairing(self, local: AffineLocal, h: Tensor, g: Tensor) -> Tensor | None:
        """Return ``None``, which is zero: ``J`` does not depend on the input."""
        return None

    def pairing_gradients(self, local: AffineLocal, h: Tensor, g: Tensor) -> Gradients:
        """Return ``h g^T``."""
        learned = isinstance(local.w, Tensor) and local.w.requires_grad
        return {"weight": self.outer(h.flatten(0, 1), g.flatten(0, 1))} if learned else {}

    def paths(self, counts: Tensor) -> Tensor:
        """Return the numbers of paths behind the layer. Each coefficient is a path from an input to an output."""
        ones = torch.ones_like(self.weight) if isinstance(self.weight, Tensor) else None if self.weight is None else 1.0
        return self.linear(counts, ones)

    def _back(self, y: Tensor, w: Coefficients, x: Tensor) -> Tensor:
        """Return :meth:`adjoint` of a batch ``y``; its size may differ from that of the batch ``x``."""
        return self.adjoint(y, w, torch.Size((len(y), *x.shape[1:])))

    def _paired(
        self,
        y: Tensor | None,
        x: Tensor | None,
        samples: int,
        outer: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor | None:
        """Return :meth:`outer`, where ``None`` is zero and a batch of one stands for ``samples`` equal ones.

        Another product that is linear in both arguments may be given.
        """
        if y is None or x is None:
            return None
        outer = self.outer if outer is None else outer
        if len(y) == len(x):
            return outer(y, x) if len(x) == samples else samples * outer(y, x)
        return outer(*(t if len(t) == 1 else t.sum(0, keepdim=True) for t in (y, x)))


class Pointwise(Layer):
    """``y = f(x)``, entry by entry.

    A concrete layer implements ``f`` as :meth:`forward`, ``f', f'', f'''`` as :meth:`derivatives` and, if it has
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
        """Return ``f'(x), f''(x), f'''(x)``, each of the shape of ``x``."""

    def parameter_gradients(self, x: Tensor, p0: Tensor | None, p1: Tensor | None, p2: Tensor | None) -> Gradients:
        """Return the gradient of ``<p0, f> + <p1, f'> + <p2, f''>`` with respect to each parameter, by name."""
        raise TypeError(f"{type(self).__name__} has parameters, so it needs a method parameter_gradients")

    def slope(self, x: Tensor) -> Tensor:
        """Return ``f'(x)``, for the score. Override it if that is cheaper than computing all derivatives."""
        return self.derivatives(x)[0]

    def stand_in(self, x: Tensor) -> Tensor:
        """Return the input, which has the shape of the output."""
        return x

    def footprint(self) -> tuple[Span, Span]:
        """Return the same position."""
        return HERE, HERE

    def local(self, x: Tensor, curvature: bool = True) -> PointwiseLocal:
        """Return the input, and ``f', f'', f'''`` at the input."""
        return PointwiseLocal(x, *self.derivatives(x)) if curvature else PointwiseLocal(x, self.slope(x), None, None)

    def pull_d(self, local: PointwiseLocal, d: Tensor) -> Tensor:
        """Sweep 2: ``f' d``, (1)."""
        return local.f1 * d

    def pull_d2(self, local: PointwiseLocal, d: Tensor, d2: Tensor | None) -> Tensor | None:
        """Sweep 2: ``f'^2 d2 + f'' d``, section 1.3."""
        return total(local.f2 * d, times(d2, local.f1, local.f1))

    def push_a(self, local: PointwiseLocal, a: Tensor | None, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: ``f' a + f'' a2``, (18) and (19)."""
        return total(times(local.f1, a), times(local.f2, a2))

    def push_a2(self, local: PointwiseLocal, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: ``f'^2 a2``, (20)."""
        return times(a2, local.f1, local.f1)

    def pull_c(self, local: PointwiseLocal, sides: Sides) -> Tensor | None:
        """Sweep 4: ``f' c + f'' d a + (2 f' f'' d2 + f''' d) a2``, (21) and (22)."""
        p0, p1, p2 = self._multipliers(local, sides)
        return total(times(local.f1, p0), times(local.f2, p1), times(local.f3, p2))

    def gradients(self, local: PointwiseLocal, sides: Sides) -> Gradients:
        """Sweep 4: ``<p0, f_w> + <p1, f'_w> + <p2, f''_w>`` for each parameter ``w``.

        The index stands for the derivative with respect to ``w``, and the factors are those of :meth:`_multipliers`.
        With ``x`` in place of ``w`` this is (21) and (22).
        """
        if not any(p.requires_grad for p in self.parameters()):
            return {}
        multipliers = (maybe(lambda p: p.expand_as(local.x), p) for p in self._multipliers(local, sides))
        return self.parameter_gradients(local.x, *multipliers)

    def pull_columns(self, local: PointwiseLocal, h: Tensor) -> Tensor:
        """Return ``f' h``."""
        return local.f1.unsqueeze(1) * h

    def push_columns(self, local: PointwiseLocal, g: Tensor) -> Tensor:
        """Return ``f' g``."""
        return local.f1.unsqueeze(1) * g

    def pull_pairing(self, local: PointwiseLocal, h: Tensor, g: Tensor) -> Tensor | None:
        """Return ``f'' h g``, summed over the columns."""
        return local.f2 * (h * g).sum(1)

    def pairing_gradients(self, local: PointwiseLocal, h: Tensor, g: Tensor) -> Gradients:
        """Return ``<h g, f'_w>``, summed over the columns, for each parameter ``w``, as in :meth:`gradients`."""
        if not any(p.requires_grad for p in self.parameters()):
            return {}
        return self.parameter_gradients(local.x, None, (h * g).sum(1), None)

    def parameter_gradients_by_autograd(
        self, x: Tensor, p0: Tensor | None, p1: Tensor | None, p2: Tensor | None
    ) -> Gradients:
        """Return :meth:`parameter_gradients` by automatic differentiation through ``f``, ``f'`` and ``f''``."""
        wanted = {name: p for name, p in self.named_parameters() if p.requires_grad}
        with torch.enable_grad():
            f1, f2, _ = self.derivatives(x)
            value = total(*(maybe(lambda p, f=f: (p * f).sum(), p) for p, f in ((p0, self(x)), (p1, f1), (p2, f2))))
        if value is None or not value.requires_grad:
            return {}
        found = torch.autograd.grad(value, list(wanted.values()), allow_unused=True)
        return {name: g for name, g in zip(wanted, found, strict=True) if g is not None}

    @staticmethod
    def _multipliers(local: PointwiseLocal, sides: Sides) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return the factors ``p0 = c``, ``p1 = d a + 2 d2 a2 f'`` and ``p2 = d a2``: dJ/df, dJ/df' and dJ/df''."""
        d, d2, a, a2, c = sides
        curved = None if d2 is None else times(d2, a2, 2 * local.f1)
        return c, total(times(d, a), curved), times(d, a2)
