"""Pointwise activation functions, each with its first three derivatives."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.layers.base import Gradients
from scorematching.layers.families import Pointwise
from scorematching.runtime.arguments import shown
from scorematching.runtime.kinds import check_arguments


class Tanh(Pointwise):
    """Hyperbolic tangent ``tanh(x)``.

    Example:
        >>> Tanh()(torch.zeros(1, 2))
        tensor([[0., 0.]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``tanh(x)``."""
        return torch.tanh(x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``1 - t^2``, ``-2 t f'``, ``(6 t^2 - 2) f'`` with ``t = tanh(x)``."""
        t = torch.tanh(x)
        f1 = 1 - t * t
        return f1, -2 * t * f1, (6 * t * t - 2) * f1


class Sigmoid(Pointwise):
    """Logistic function ``1 / (1 + exp(-x))``.

    Example:
        >>> Sigmoid()(torch.zeros(1, 2))
        tensor([[0.5000, 0.5000]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``1 / (1 + exp(-x))``."""
        return torch.sigmoid(x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``s (1 - s)``, ``f' (1 - 2 s)``, ``f' (1 - 6 s (1 - s))`` with ``s = f(x)``."""
        s = torch.sigmoid(x)
        f1 = s * (1 - s)
        return f1, f1 * (1 - 2 * s), f1 * (1 - 6 * f1)


class Softplus(Pointwise):
    """Softplus ``log(1 + exp(beta x)) / beta``, a smooth version of ``max(x, 0)``.

    Args:
        beta: Sharpness of the bend at 0. The larger ``beta``, the closer the function is to ``max(x, 0)``.

    Example:
        >>> Softplus(beta=100.0)(torch.tensor([[-1.0, 1.0]]))
        tensor([[0., 1.]])
    """

    def __init__(self, beta: float = 1.0) -> None:
        check_arguments(Softplus.__init__, locals())
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``log(1 + exp(beta x)) / beta``."""
        return torch.logaddexp(self.beta * x, torch.zeros_like(x)) / self.beta

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``s = sigmoid(beta x)`` and its first two derivatives."""
        s = torch.sigmoid(self.beta * x)
        f2 = self.beta * s * (1 - s)
        return s, f2, self.beta * f2 * (1 - 2 * s)


class SiLU(Pointwise):
    """Sigmoid linear unit ``x sigmoid(x)``, also called swish.

    Example:
        >>> SiLU()(torch.zeros(1, 2))
        tensor([[0., 0.]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``x sigmoid(x)``."""
        return F.silu(x)

    def slope(self, x: Tensor) -> Tensor:
        """Return ``f'(x)``, as in :meth:`derivatives`, in one pass through memory."""
        return torch.ops.aten.silu_backward(x.new_ones(1).expand_as(x), x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``f^(n) = x s^(n) + n s^(n-1)`` for n = 1, 2, 3, with ``s = sigmoid(x)`` (product rule)."""
        s = torch.sigmoid(x)
        s1 = s * (1 - s)
        s2 = s1 * (1 - 2 * s)
        s3 = s1 * (1 - 6 * s1)
        return s + x * s1, 2 * s1 + x * s2, 3 * s2 + x * s3


class GELU(Pointwise):
    """Gaussian error linear unit ``x Phi(x)``.

    ``Phi`` is the exact distribution function of the standard normal distribution, not its tanh approximation.

    Example:
        >>> GELU()(torch.zeros(1, 2))
        tensor([[0., 0.]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``x Phi(x)``."""
        return F.gelu(x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``Phi + x phi``, ``(2 - x^2) phi``, ``(x^3 - 4 x) phi`` with ``phi = Phi'``."""
        phi = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        return torch.special.ndtr(x) + x * phi, (2 - x * x) * phi, (x * x - 4) * x * phi


class Square(Pointwise):
    """Square ``x^2``.

    Example:
        >>> Square()(torch.tensor([[2.0, -3.0]]))
        tensor([[4., 9.]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``x^2``."""
        return x * x

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``2 x``, 2, 0."""
        return 2 * x, torch.full_like(x, 2.0), torch.zeros_like(x)


class Exp(Pointwise):
    """Exponential function ``exp(x)``.

    Example:
        >>> Exp()(torch.zeros(1, 2))
        tensor([[1., 1.]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``exp(x)``."""
        return torch.exp(x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``exp(x)`` three times."""
        f = torch.exp(x)
        return f, f, f


class Sin(Pointwise):
    """Sine ``sin(x)``.

    Example:
        >>> Sin()(torch.zeros(1, 2))
        tensor([[0., 0.]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``sin(x)``."""
        return torch.sin(x)

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``cos(x)``, ``-sin(x)``, ``-cos(x)``."""
        cos = torch.cos(x)
        return cos, -torch.sin(x), -cos


class Power(Pointwise):
    """Power ``x^p``. For the square root, ``p`` is 0.5.

    Args:
        exponent: Any number ``p``. If it is not an integer, ``x`` must be positive. If it is negative, ``x`` must not
            be 0.

    Example:
        >>> Power(0.5)(torch.tensor([[4.0, 9.0]]))
        tensor([[2., 3.]])
    """

    def __init__(self, exponent: float) -> None:
        check_arguments(Power.__init__, locals())
        super().__init__()
        self.exponent = float(exponent)
        self.recordable = self.exponent.is_integer() and self.exponent >= 0  # otherwise check_input reads values of x

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` if ``x^p`` or its derivatives are not defined at an entry of ``x``."""
        if not self.exponent.is_integer() and bool((x <= 0).any()):
            raise ValueError(f"x^{self.exponent:g} needs x > 0, got a smallest entry of {x.detach().min().item():g}")
        if self.exponent < 0 and bool((x == 0).any()):
            raise ValueError(f"x^{self.exponent:g} needs x other than 0, got {int((x == 0).sum())} entries of 0")

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``x^p``."""
        return x**self.exponent

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``p x^(p-1)``, ``p (p-1) x^(p-2)``, ``p (p-1) (p-2) x^(p-3)``."""
        found, factor = [], 1.0
        for order in range(3):
            factor *= self.exponent - order
            found.append(factor * x ** (self.exponent - order - 1) if factor else torch.zeros_like(x))
        return found[0], found[1], found[2]

    def extra_repr(self) -> str:
        """Return the exponent, for ``print``."""
        return f"{self.exponent:g}"


class PointwiseFunction(Pointwise):
    """Any differentiable function ``f``, applied to each entry.

    Derivatives that are not given are computed by automatic differentiation in forward mode. They are exact, but
    slower than explicit formulas, by a factor of about the number of operations in ``f``. A warning says so.

    Args:
        f: Callable from a tensor to a tensor of the same shape; each entry of the result depends on the same entry of
            the argument only. If it is a ``torch.nn.Module``, its parameters are learned.
        derivatives: Up to three callables: the first, second and third derivative of ``f``.

    Raises:
        TypeError: An argument is not callable.
        ValueError: There are more than three derivatives.

    Warns:
        UserWarning: Fewer than three derivatives are given.

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
                raise TypeError(f"expected functions, got {type(function).__name__}: {shown(function)}")
        self.f = f
        self._given = derivatives
        self.recordable = len(derivatives) == 3
        if len(derivatives) < 3:
            warnings.warn(
                f"PointwiseFunction takes {3 - len(derivatives)} of its 3 derivatives by automatic differentiation. "
                "They are exact; for speed, pass all three derivatives",
                stacklevel=2,
            )

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``f(x)``.

        Raises:
            ValueError: The result has another shape than ``x``.
        """
        y = self.f(x)
        if y.shape != x.shape:
            raise ValueError(
                f"a pointwise function must return the shape of its input, {tuple(x.shape)}, got {tuple(y.shape)}"
            )
        return y

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the given derivatives, and compute the others from the last given function."""
        known: list[Callable[[Tensor], Tensor]] = [self.f, *self._given]
        while len(known) < 4:
            known.append(_forward_derivative(known[-1]))
        return known[1](x), known[2](x), known[3](x)

    def parameter_gradients(self, x: Tensor, p0: Tensor | None, p1: Tensor | None, p2: Tensor | None) -> Gradients:
        """Return the gradients by automatic differentiation."""
        return self.parameter_gradients_by_autograd(x, p0, p1, p2)


def _forward_derivative(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the derivative of a pointwise function, by automatic differentiation in forward mode."""
    return lambda x: torch.func.jvp(f, (x,), (torch.ones_like(x),))[1]
