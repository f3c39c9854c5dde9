"""Regularized score matching loss of one sample: its value, and its partial derivatives beside it.

Let ``delta = dE/dx``, and let ``delta'`` be the diagonal of the Hessian of ``E``. Then ::

    J = sum_i  1/2 delta_i^2  +  sum_i ( -delta'_i + lam delta'_i^2 )
        ----------K---------     ---------------L------------------
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Objective(NamedTuple):
    """Loss to compute.

    Attributes:
        lam: Weight of the regularizer, 0 or more.
        weight: Weights of the inputs, with the shape of the batch or of one sample. ``None`` if all are 1.
    """

    lam: float
    weight: Tensor | None = None

    @property
    def squared(self) -> bool:
        """True if the loss contains the square of the diagonal."""
        return self.lam > 0


def sm_value(d: Tensor, d2: Tensor, lam: float, weight: Tensor | None = None, square: Tensor | None = None) -> Tensor:
    """Return the loss of each sample, shape (N,).

    Args:
        d: ``delta`` at the input, shape (N, ...).
        d2: ``delta'`` at the input, of the same shape.
        lam: Weight of the regularizer.
        weight: Weights of the inputs, with the shape of the batch or of one sample.
        square: Estimate of ``delta'^2``, with the shape of ``d2``. By default ``d2 * d2``.
    """
    terms = 0.5 * d * d - d2
    if lam:
        terms = terms + lam * (d2 * d2 if square is None else square)
    if weight is not None:
        terms = terms * weight
    return terms.flatten(1).sum(1)


def sm_partials(d: Tensor, d2: Tensor, lam: float, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the derivatives of the loss with respect to ``d``, (3), and ``d2``, (7): the start of sweep 3.

    The supplement prints ``dL/d delta' = -1`` in (7). That is the case ``lam = 0``. With the regularizer it is
    ``-1 + 2 lam delta'``. A derivative that is the same for all samples is returned as a batch of one.
    """
    a, a2 = d, 2 * lam * d2 - 1 if lam else d2.new_full((1, *d2.shape[1:]), -1.0)
    return (a, a2) if weight is None else (a * weight, a2 * weight)
