"""Rules for logarithms of sums of exponentials, and softmax.

The exponentials themselves may overflow. So the sum is taken in pairs, with ``log(exp(a) + exp(b)) = b + softplus(a -
b)``, which is as accurate for values of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scorematching.layers import Exp, Gather, Identity, Multiply, Reshape, Scatter, Softplus
from scorematching.tracing.builder import Builder, Value
from scorematching.tracing.table import InvalidEnergyError, rule


@rule("logaddexp")
def _logaddexp(b: Builder, input: Any, other: Any) -> Value:
    if not isinstance(input, Value) or not isinstance(other, Value):
        raise TypeError("one of the tensors is a constant: write c + softplus(x - c) instead")
    one, two = b.together(input, other)
    difference = b.sum([(one, Identity()), (two, Multiply(-1.0))], "difference")
    return b.sum([(difference, Softplus()), (two, Identity())])


@rule("logsumexp")
def _logsumexp(b: Builder, input: Value, dim: int | Sequence[int], keepdim: bool = False) -> Value:
    return _log_of_sum(b, input, dim, keepdim)


@rule("log_softmax")
def _log_softmax(b: Builder, input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Value:
    return _logarithm(b, input, dim, dtype)


@rule("softmax")
def _softmax(b: Builder, input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Value:
    return b.apply(_logarithm(b, input, dim, dtype, "log"), Exp())


def _logarithm(b: Builder, input: Value, dim: int | None, dtype: Any, part: str = "") -> Value:
    """Return the logarithm of softmax: the input minus the logarithm of the sum of its exponentials."""
    if dim is None or dtype not in (None, input.example.dtype):
        raise TypeError("it needs dim, and a result of the same precision: pass dim, and leave out dtype")
    whole = b.apply(_log_of_sum(b, input, dim, True, "sum"), Multiply(-1.0), "minus_sum")
    return b.sum([(input, Identity()), (b.expand(whole, input.shape), Identity())], part)


def _log_of_sum(b: Builder, input: Value, dim: int | Sequence[int], keepdim: bool, part: str = "") -> Value:
    """Return ``log(sum(exp(input)))`` over some dimensions."""
    ndim = input.example.ndim
    dims = sorted(d % ndim for d in ((dim,) if isinstance(dim, int) else dim))
    if dims[0] == 0:
        raise InvalidEnergyError("it sums over the batch: pass the other dimensions as dim")
    first = list(range(1, len(dims) + 1))
    value = b.move(input, lambda numbers: numbers.movedim(dims, first).flatten(1, len(dims)), "terms")
    while (count := value.shape[1]) > 1:
        value = _halved(b, value, count)
    kept = [1 if d in dims else n for d, n in enumerate(input.shape) if keepdim or d not in dims]
    if list(value.shape) == kept:
        return value
    return b.apply(value, Reshape(kept[1:]), part)


def _halved(b: Builder, value: Value, count: int) -> Value:
    """Add up the exponentials of the first half and of the second half of dimension 1; an odd term is left over."""
    half, rest = count // 2, count - count // 2
    minus = b.apply(value, Multiply(-1.0), "minus")
    halves = [(value, Gather(range(half))), (minus, Gather(range(half, 2 * half)))]
    soft = b.apply(b.sum(halves, "difference"), Softplus(), "softplus")
    padded = Identity() if half == rest else Scatter(range(half), rest)
    return b.sum([(soft, padded), (value, Gather(range(half, count)))], "pairs")
