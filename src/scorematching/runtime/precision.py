"""Matrix products and convolutions of a loss in bfloat16, everything else in full precision.

A processor with native bfloat16 support multiplies about four times as fast in bfloat16. Without it, products take
four times as long. The factors and the result of a product are rounded to 8 significant bits. The sums within a
product, and all other operations, stay in float32. Data and energies are not rounded: products with few channels, as in
the first and the last layer of a convolutional network, stay in float32.
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

from scorematching.runtime.kinds import check_arguments

_aten = torch.ops.aten
#: Operations that are products, and the indices of the arguments that are factors. The last factor has the channels.
_FACTORS: dict[Any, Sequence[int]] = {
    _aten.mm: (0, 1),
    _aten.bmm: (0, 1),
    _aten.convolution: (0, 1),
    _aten.convolution_backward: (0, 1, 2),
}
#: Minimum number of input and output channels of a product that is rounded. Data and energies have fewer.
_CHANNELS = 16

_wanted: ContextVar[bool] = ContextVar("scorematching_bfloat16", default=False)


class bfloat16_products(ContextDecorator):  # noqa: N801  # a context such as torch.no_grad
    """Compute the large products of score matching losses, and of their gradients, in bfloat16.

    Use it for long trainings with noisy gradients, such as those of deep priors with random probes or added noise. The
    rounding changes a gradient by about 2 %, at random. Do not use it to compare losses closely. It does not change
    scores, Hessian diagonals, or losses in float64. It is slower on a processor without native bfloat16 support
    (:func:`has_bfloat16`).

    Args:
        enabled: Whether to use bfloat16.

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
        check_arguments(bfloat16_products.__init__, locals())
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
    """Return True if the processor has instructions for bfloat16, such as AMX.

    Example:
        >>> has_bfloat16() in (True, False)
        True
    """
    return any(known for name, known in torch.cpu.get_capabilities().items() if "bf16" in name)


def in_bfloat16() -> bool:
    """Return True if products are currently computed in bfloat16."""
    return _wanted.get()


def products(bfloat16: bool) -> AbstractContextManager[object]:
    """Return a context that rounds the large products within it, also during recording."""
    return _Products() if bfloat16 else nullcontext()


class _Products(TorchDispatchMode):
    """Round the factors of large float32 products to bfloat16, and return the products in float32."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation."""
        factors = _FACTORS.get(func.overloadpacket, ())
        if not factors or not _large(func.overloadpacket, [args[i] for i in factors]):
            return func(*args, **(kwargs or {}))
        rounded = [a.to(torch.bfloat16) if isinstance(a, Tensor) else a for a in args]
        result = func(*rounded, **(kwargs or {}))
        if isinstance(result, Tensor):
            return result.float()
        return tuple(None if one is None else one.float() for one in result)


def _large(packet: Any, factors: Sequence[Tensor]) -> bool:
    """Return True if the product has enough channels: then no factor is the data or the energies."""
    if any(factor.dtype != torch.float32 for factor in factors):
        return False
    filters = packet in (_aten.convolution, _aten.convolution_backward)
    sides = factors[-1].shape[:2] if filters else [n for factor in factors for n in factor.shape[-2:]]
    return min(sides) >= _CHANNELS
