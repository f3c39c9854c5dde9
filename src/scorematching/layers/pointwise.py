"""Point-wise layers of neural networks: each function beside its three derivatives."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.layers.base import Gradients, maybe, total
from scorematching.layers.families import Pointwise


class Tanh(Pointwise):
    """``tanh(x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        return torch.tanh(x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With ``t = tanh(x)``: ``1 - t^2``, ``-2 t f'``, ``(6 t^2 - 2) f'``."""
        t = torch.tanh(x)
        f1 = 1 - t * t
        return f1, -2 * t * f1, (6 * t * t - 2) * f1


class Sigmoid(Pointwise):
    """``1 / (1 + exp(-x))``."""

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        return torch.sigmoid(x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With ``s = f``: ``s (1 - s)``, ``f' (1 - 2 s)``, ``f' (1 - 6 s (1 - s))``."""
        s = torch.sigmoid(x)
        f1 = s * (1 - s)
        return f1, f1 * (1 - 2 * s), f1 * (1 - 6 * f1)


class Softplus(Pointwise):
    """``log(1 + exp(beta x)) / beta``, a smooth maximum of ``x`` and 0.

    Args:
        beta: Sharpness of the bend.
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        return torch.logaddexp(self.beta * x, torch.zeros_like(x)) / self.beta

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With ``s = sigmoid(beta x)``: ``s`` and its first two derivatives."""
        s = torch.sigmoid(self.beta * x)
        f2 = self.beta * s * (1 - s)
        return s, f2, self.beta * f2 * (1 - 2 * s)


class SiLU(Pointwise):
    """``x sigmoid(x)``, also called swish."""

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        return F.silu(x)

    def slope(self, x: Tensor) -> Tensor:
        """``f'`` as in :meth:`derivatives`, by torch's own kernel: one pass through memory in place of a dozen."""
        return torch.ops.aten.silu_backward(x.new_ones(1).expand_as(x), x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """By the product rule, ``f^(n) = x s^(n) + n s^(n-1)`` with ``s = sigmoid(x)``."""
        s = torch.sigmoid(x)
        s1 = s * (1 - s)
        s2 = s1 * (1 - 2 * s)
        s3 = s1 * (1 - 6 * s1)
        return s + x * s1, 2 * s1 + x * s2, 3 * s2 + x * s3


class GELU(Pointwise):
    """``x Phi(x)`` with the distribution function ``Phi`` of the standard normal (not its tanh approximation)."""

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        return F.gelu(x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With ``phi = Phi'``: ``Phi + x phi``, ``(2 - x^2) phi``, ``(x^3 - 4 x) phi``."""
        phi = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        return torch.special.ndtr(x) + x * phi, (2 - x * x) * phi, (x * x - 4) * x * phi


class Square(Pointwise):
    """``x^2``."""

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        return x * x

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``2 x``, 2, 0."""
        return 2 * x, torch.full_like(x, 2.0), torch.zeros_like(x)


class Exp(Pointwise):
    """``exp(x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        return torch.exp(x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``exp(x)``, three times."""
        f = torch.exp(x)
        return f, f, f


class Sin(Pointwise):
    """``sin(x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        return torch.sin(x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``cos(x)``, ``-sin(x)``, ``-cos(x)``."""
        cos = torch.cos(x)
        return cos, -torch.sin(x), -cos


class Power(Pointwise):
    """``x^p``; roots are powers of fractions.

    Args:
        exponent: Any number ``p``. Where it is no whole number, ``x`` must be positive; where it is negative, ``x``
            must not be 0.
    """

    def __init__(self, exponent: float) -> None:
        super().__init__()
        self.exponent = float(exponent)
        self.recordable = self.exponent.is_integer() and self.exponent >= 0  # else the input is looked at

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` where a root of what is not positive, or a reciprocal of zero, is asked for."""
        if not self.exponent.is_integer() and bool((x <= 0).any()):
            raise ValueError(f"x^{self.exponent:g} needs x > 0, got a smallest entry of {x.detach().min().item():g}")
        if self.exponent < 0 and bool((x == 0).any()):
            raise ValueError(f"x^{self.exponent:g} needs x other than 0")

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        return x**self.exponent

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``p x^(p-1)``, ``p (p-1) x^(p-2)``, ``p (p-1) (p-2) x^(p-3)``."""
        found, factor = [], 1.0
        for order in range(3):
            factor *= self.exponent - order
            found.append(factor * x ** (self.exponent - order - 1) if factor else torch.zeros_like(x))
        return found[0], found[1], found[2]

    def extra_repr(self) -> str:
        """The exponent, for ``print``."""
        return f"{self.exponent:g}"


class PointwiseFunction(Pointwise):
    """Any differentiable function of one number, given as a callable; derivatives not given are computed.

    What is not given comes from automatic differentiation in forward mode. That is slower than a written rule, by
    about the number of operations in the function, and a warning says so once.

    Args:
        f: The function, applied to each entry: a callable from tensors to tensors of the same shape. A
            ``torch.nn.Module`` has its parameters learned.
        derivatives: None, or the first one, two or three derivatives of ``f``, in the same form.

    Raises:
        TypeError: One of the arguments can't be called.
        ValueError: More than three derivatives.

    Example:
        >>> import scorematching as sm
        >>> cosh = sm.layers.PointwiseFunction(torch.cosh, torch.sinh, torch.cosh, torch.sinh)
        >>> energy = sm.Sequential(cosh, sm.Sum())
        >>> sm.score(energy, torch.zeros(1, 2)).abs().sum().item()
        0.0
    """

    def __init__(self, f: Callable[[Tensor], Tensor], *derivatives: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        if len(derivatives) > 3:
            raise ValueError(f"expected at most three derivatives, got {len(derivatives)}")
        for function in (f, *derivatives):
            if not callable(function):
                raise TypeError(f"expected functions, got {type(function).__name__}: {function!r}")
        self.f = f
        self._given = derivatives
        self.recordable = len(derivatives) == 3
        if len(derivatives) < 3:
            warnings.warn(
                f"PointwiseFunction takes {3 - len(derivatives)} of its 3 derivatives by automatic differentiation, "
                "which is exact, and slower than to give them",
                stacklevel=2,
            )

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1.

        Raises:
            ValueError: The function changed the shape.
        """
        y = self.f(x)
        if y.shape != x.shape:
            raise ValueError(f"a point-wise function must keep the shape: {tuple(x.shape)} became {tuple(y.shape)}")
        return y

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What was given, and the forward derivatives of the last function given."""
        known: list[Callable[[Tensor], Tensor]] = [self.f, *self._given]
        while len(known) < 4:
            known.append(_forward_derivative(known[-1]))
        return known[1](x), known[2](x), known[3](x)

    def parameter_gradients(self, x: Tensor, p0: Tensor | None, p1: Tensor | None, p2: Tensor | None) -> Gradients:
        """By automatic differentiation through ``f``, ``f'`` and ``f''``."""
        wanted = {name: p for name, p in self.named_parameters() if p.requires_grad}
        with torch.enable_grad():
            f1, f2, _ = self.derivatives(x)
            pairs = [maybe(lambda p, f=f: (p * f).sum(), p) for p, f in ((p0, self.f(x)), (p1, f1), (p2, f2))]
            value = total(*pairs)
        if value is None or not value.requires_grad:
            return {}
        found = torch.autograd.grad(value, list(wanted.values()), allow_unused=True)
        return {name: g for name, g in zip(wanted, found, strict=True) if g is not None}


def _forward_derivative(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The derivative of a function that acts entry by entry."""
    return lambda x: torch.func.jvp(f, (x,), (torch.ones_like(x),))[1]
