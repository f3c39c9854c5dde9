"""The regularized score matching loss of one sample, its value and its partial derivatives side by side.

With ``delta = dE/dx`` and ``delta'`` the diagonal of the Hessian of ``E``::

    J = sum_i  1/2 delta_i^2  +  sum_i ( -delta'_i + lam delta'_i^2 )
        ----------K---------     ---------------L------------------
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

#: Which squared second derivatives the regularizer sums: none, those of the diagonal, or all of the Hessian.
Penalty = Literal["none", "diagonal", "hessian"]


class Objective(NamedTuple):
    """Which loss: the regularizer, what it squares, and the weights of the inputs, of a batch or of each sample."""

    lam: float
    penalty: Penalty
    weight: Tensor | None = None


def sm_value(d: Tensor, d2: Tensor, lam: float, weight: Tensor | None = None, square: Tensor | None = None) -> Tensor:
    """The loss of each sample, shape (N,), from ``d`` and ``d2`` at the input, shape (N, ...).

    ``square`` stands for the squares in the regularizer, where they are not those of ``d2``.
    """
    terms = 0.5 * d * d - d2
    if lam:
        terms = terms + lam * (d2 * d2 if square is None else square)
    if weight is not None:
        terms = terms * weight
    return terms.flatten(1).sum(1)


def sm_partials(
    d: Tensor, d2: Tensor, lam: float, weight: Tensor | None = None, square: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Derivatives of the loss by ``d``, (3), by ``d2``, (7), and by ``square`` if there is one.

    The supplement prints ``dL/d delta' = -1`` in (7), which is the case ``lam = 0``; the loss has -1 + 2 lam delta'.
    What is the same for all samples has a batch of one.
    """
    constant = not lam or square is not None
    a, a2 = d, d2.new_full((1, *d2.shape[1:]), -1.0) if constant else 2 * lam * d2 - 1
    by_square = None if square is None else torch.full_like(square, lam)
    if weight is None:
        return a, a2, by_square
    return a * weight, a2 * weight, None if by_square is None else by_square * weight


class LossOfEach(torch.autograd.Function):
    """:func:`sm_value`, whose derivatives are :func:`sm_partials`."""

    @staticmethod
    def forward(  # noqa: D102  # torch's own
        ctx: Any, lam: float, weight: Tensor | None, d: Tensor, d2: Tensor, square: Tensor | None
    ) -> Tensor:
        ctx.lam = lam
        ctx.save_for_backward(weight, d, d2, square)
        return sm_value(d, d2, lam, weight, square)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        weight, d, d2, square = ctx.saved_tensors
        each = upstream.view(-1, *[1] * (d.ndim - 1))
        partials = sm_partials(d, d2, ctx.lam, weight, square)
        return None, None, *(None if partial is None else partial * each for partial in partials)
