"""Products in bfloat16: the matrix products and convolutions of a loss in half the bits, everything else in full.

Processors that know bfloat16 multiply some four times as fast in it; others take four times as long. What goes into a
product, and what comes out, is rounded to 8 significant bits; the sums within it are kept in float32, and all that
happens between products is as it was. Data and energies are not rounded: products with few channels, as of the first
and the last layer of a convolutional network, stay in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ContextDecorator, nullcontext
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
#: The products, and which of their arguments are their factors: the last one has the channels.
_FACTORS: dict[Any, Sequence[int]] = {
    _aten.mm: (0, 1),
    _aten.bmm: (0, 1),
    _aten.convolution: (0, 1),
    _aten.convolution_backward: (0, 1, 2),
}
#: A factor with fewer channels, in or out, is data or energy rather than what a network makes of them.
_CHANNELS = 16

_wanted: ContextVar[bool] = ContextVar("scorematching_bfloat16", default=False)


class bfloat16_products(ContextDecorator):  # noqa: N801  # a context such as torch.no_grad
    """Work out the large products of score matching losses, and of their gradients, in bfloat16.

    For long trainings whose gradients are noisy anyway, such as deep priors by random probes or by noise that was
    added: a gradient is off by some 2 %, at random. Not for closed comparisons of losses. Scores, Hessian diagonals
    and losses in float64 stay as they are; autocast is without effect on losses. It is slower where the processor does
    not know bfloat16 (:func:`has_bfloat16`).

    Args:
        enabled: Whether to do so.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(32, 64), sm.StudentT(), sm.WeightedSum(64))
        >>> x = torch.randn(64, 32)
        >>> with bfloat16_products():
        ...     loss = sm.score_matching_loss(energy, x)
        >>> loss.dtype
        torch.float32
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._before: list[Token[bool]] = []

    def __enter__(self) -> bfloat16_products:
        self._before.append(_wanted.set(self.enabled))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _wanted.reset(self._before.pop())


def has_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16, as those with AMX have.

    Example:
        >>> has_bfloat16() in (True, False)
        True
    """
    return any(known for name, known in torch.cpu.get_capabilities().items() if "bf16" in name)


def in_bfloat16() -> bool:
    """Whether products are computed in bfloat16 just now."""
    return _wanted.get()


def products(bfloat16: bool) -> AbstractContextManager[object]:
    """What all operations on tensors within are seen by, those that are recorded too."""
    return _Products() if bfloat16 else nullcontext()


class _Products(TorchDispatchMode):
    """Rounds the factors of large products in float32, and gives the products in float32 again."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Torch's own."""
        factors = _FACTORS.get(func.overloadpacket, ())
        if not factors or not _large(func.overloadpacket, [args[i] for i in factors]):
            return func(*args, **(kwargs or {}))
        rounded = [a.to(torch.bfloat16) if isinstance(a, Tensor) else a for a in args]
        result = func(*rounded, **(kwargs or {}))
        if isinstance(result, Tensor):
            return result.float()
        return tuple(None if one is None else one.float() for one in result)


def _large(packet: Any, factors: Sequence[Tensor]) -> bool:
    """Whether no factor is data, energies, or the filters that meet them."""
    if any(factor.dtype != torch.float32 for factor in factors):
        return False
    filters = packet in (_aten.convolution, _aten.convolution_backward)
    sides = factors[-1].shape[:2] if filters else [n for factor in factors for n in factor.shape[-2:]]
    return min(sides) >= _CHANNELS
