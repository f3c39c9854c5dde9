"""Rules for pointwise functions, arithmetic and dropout."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from scorematching.layers import (
    GELU,
    Exp,
    Identity,
    Layer,
    Multiply,
    PointwiseFunction,
    Power,
    Sigmoid,
    SiLU,
    Sin,
    Softplus,
    Square,
    Tanh,
)
from scorematching.tracing.builder import Builder, Value
from scorematching.tracing.products import log, product, quotient
from scorematching.tracing.table import InvalidEnergyError, refuse, rule

#: Smooth pointwise functions, and how to make a layer from their other arguments.
SMOOTH: dict[str, Callable[..., Layer]] = {
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "silu": lambda inplace=False: SiLU(),
    "softplus": lambda beta=1.0, threshold=20.0: Softplus(beta),
    "gelu": lambda approximate="none": GELU() if approximate == "none" else PointwiseFunction(_gelu_by_tanh),
    "mish": lambda inplace=False: PointwiseFunction(_mish),
    "square": Square,
    "exp": Exp,
    "sin": Sin,
    "sqrt": lambda: Power(0.5),
    "rsqrt": lambda: Power(-0.5),
    "reciprocal": lambda: Power(-1),
    "cos": lambda: PointwiseFunction(torch.cos, lambda x: -torch.sin(x), lambda x: -torch.cos(x), torch.sin),
    "log": log,
    "log1p": lambda: PointwiseFunction(
        torch.log1p, lambda x: 1 / (1 + x), lambda x: -((1 + x) ** -2), lambda x: 2 * (1 + x) ** -3
    ),
}

#: Smooth pointwise functions whose derivatives are computed by automatic differentiation.
DIFFERENTIATED = (
    "asinh", "atan", "celu", "cosh", "elu", "erf", "erfc", "expm1", "log10", "log2", "logsigmoid", "sinc",
    "sinh", "softsign", "tan", "tanhshrink",
)  # fmt: skip

#: Piecewise linear functions.
KINKED = (
    "abs", "clamp", "clamp_max", "clamp_min", "hardtanh", "leaky_relu", "relu", "relu6", "softshrink",
    "threshold",
)  # fmt: skip

DROPOUTS = ("alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout")


@rule(*SMOOTH)
def _smooth(b: Builder, input: Value, *args: Any, **options: Any) -> Value:
    return b.apply(input, SMOOTH[b.operation](*args, **options))


@rule(*DIFFERENTIATED)
def _differentiated(b: Builder, input: Value, *args: Any, **options: Any) -> Value:
    if b.operation == "elu" and (args or (options.get("alpha", 1.0),))[0] != 1:
        raise refuse("elu")
    return b.apply(input, PointwiseFunction(_one_argument(b.call, args, options)))


@rule(*KINKED)
def _kinked(b: Builder, input: Value, *args: Any, **options: Any) -> Value:
    f = _one_argument(b.call, args, options)
    b.kinked.append(b.place)

    def slope(x: Tensor) -> Tensor:
        return torch.func.jvp(f, (x,), (torch.ones_like(x),))[1]

    return b.apply(input, PointwiseFunction(f, slope, torch.zeros_like, torch.zeros_like))


@rule(*DROPOUTS)
def _dropout(b: Builder, input: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    if training and p > 0:
        raise InvalidEnergyError(
            "it is random, but an energy must be a deterministic function: call eval() first, or set p to 0"
        )
    return input


@rule("detach")
def _detach(b: Builder, input: Value) -> Value:
    raise InvalidEnergyError("it changes the derivative of the energy: remove it")


@rule("add")
def _add(b: Builder, input: Any, other: Any, *, alpha: float = 1) -> Value:
    if isinstance(input, Value) and isinstance(other, Value):
        if input.node == other.node:
            return b.scale(input, 1 + alpha)
        one, two = b.together(input, other)
        return b.sum([(one, Identity()), (two, Identity() if alpha == 1 else Multiply(alpha))])
    if isinstance(other, Value):
        return b.shift(other if alpha == 1 else b.scale(other, alpha, "scaled"), input)
    if isinstance(other, Tensor) and other.requires_grad and alpha != 1:
        return b.scale(b.shift(b.scale(input, 1 / alpha, "scaled"), other, "shifted"), alpha)
    return b.shift(input, other if alpha == 1 else alpha * other)


@rule("sub")
def _sub(b: Builder, input: Any, other: Any, *, alpha: float = 1) -> Value:
    return _add(b, input, other, alpha=-alpha)


@rule("rsub")
def _rsub(b: Builder, input: Any, other: Any, *, alpha: float = 1) -> Value:
    return _add(b, other, input, alpha=-alpha)


@rule("neg")
def _neg(b: Builder, input: Value) -> Value:
    return b.scale(input, -1)


@rule("mul")
def _mul(b: Builder, input: Any, other: Any) -> Value:
    if isinstance(input, Value) and isinstance(other, Value):
        return product(b, input, other)
    return b.scale(input, other) if isinstance(input, Value) else b.scale(other, input)


@rule("div")
def _div(b: Builder, input: Any, other: Any) -> Value:
    if isinstance(other, Value):
        if isinstance(input, Value):
            return quotient(b, input, other)
        return b.scale(b.apply(other, Power(-1), "reciprocal"), input)
    if isinstance(other, Tensor) and other.requires_grad:
        raise TypeError("division by a parameter is not supported: multiply by a parameter that holds its reciprocal")
    return b.scale(input, 1 / other)


@rule("pow")
def _pow(b: Builder, input: Any, exponent: Any) -> Value:
    if not isinstance(input, Value) or not isinstance(exponent, int | float):
        raise TypeError("a power is supported only with a base that depends on x and a number as its exponent")
    return input if exponent == 1 else b.apply(input, Square() if exponent == 2 else Power(exponent))


def _one_argument(
    call: Callable[..., Tensor], args: tuple[Any, ...], options: dict[str, Any]
) -> Callable[[Tensor], Tensor]:
    """Bind all arguments but the first, which must be numbers; drop ``inplace``."""
    if any(isinstance(argument, Tensor | Value) for argument in (*args, *options.values())):
        raise TypeError("a pointwise function may depend on one tensor only: pass its other arguments as numbers")
    others = {name: option for name, option in options.items() if name != "inplace"}
    return lambda x: call(x, *args, **others)


def _gelu_by_tanh(x: Tensor) -> Tensor:
    """Return the tanh approximation of GELU, from operations that can be differentiated any number of times."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _mish(x: Tensor) -> Tensor:
    """Return mish, from operations that can be differentiated any number of times."""
    return x * torch.tanh(torch.logaddexp(x, torch.zeros_like(x)))
