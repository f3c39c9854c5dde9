"""Regularized score matching loss of one sample: its value, and its partial derivatives beside it.

Let ``delta = dE/dx``, and let ``delta'`` be the diagonal of the Hessian of ``E``. Then ::

    J = sum_i  1/2 delta_i^2  +  sum_i ( -delta'_i + lam delta'_i^2 )
        ----------K---------     ---------------L------------------

On a bounded domain (:mod:`scorematching.domains`) each term has a weight ``h_i(x)``, and ``-(dh_i/dx_i) delta_i`` is
added.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Weights(NamedTuple):
    """Weights of generalized score matching, both of the shape of the data.

    Attributes:
        h: ``h_i(x)``: 0 on the boundary, and positive inside.
        slope: ``dh_i/dx_i``.
    """

    h: Tensor
    slope: Tensor


class Objective(NamedTuple):
    """Loss to compute.

    Attributes:
        lam: Weight of the regularizer, 0 or more.
        weight: Weights of the inputs, with the shape of the batch or of one sample. ``None`` if all are 1.
        slope: Slopes of the weights that a domain gives, of the shape of the batch. ``None`` without a domain.
    """

    lam: float
    weight: Tensor | None = None
    slope: Tensor | None = None

    @classmethod
    def of(cls, lam: float, weight: Tensor | None, inside: Weights | None) -> Objective:
        """Return the loss with weights of the inputs and those of a domain, both multiplied."""
        if inside is None:
            return cls(lam, weight)
        h, slope = inside
        return cls(lam, h, slope) if weight is None else cls(lam, weight * h, weight * slope)

    @property
    def squared(self) -> bool:
        """True if the loss contains the square of the diagonal."""
        return self.lam > 0


def sm_value(d: Tensor, d2: Tensor, objective: Objective, square: Tensor | None = None) -> Tensor:
    """Return the loss of each sample, shape (N,).

    Args:
        d: ``delta`` at the input, shape (N, ...).
        d2: ``delta'`` at the input, of the same shape.
        objective: The loss.
        square: Estimate of ``delta'^2``, with the shape of ``d2``. By default ``d2 * d2``.
    """
    lam, weight, slope = objective
    terms = 0.5 * d * d - d2
    if lam:
        terms = terms + lam * (d2 * d2 if square is None else square)
    if weight is not None:
        terms = terms * weight
    if slope is not None:
        terms = terms - slope * d
    return terms.flatten(1).sum(1)


def sm_partials(d: Tensor, d2: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """Return the derivatives of the loss with respect to ``d``, (3), and ``d2``, (7): the start of sweep 3.

    The supplement prints ``dL/d delta' = -1`` in (7). That is the case ``lam = 0``. With the regularizer it is
    ``-1 + 2 lam delta'``. A derivative that is the same for all samples is returned as a batch of one.
    """
    lam, weight, slope = objective
    a, a2 = d, 2 * lam * d2 - 1 if lam else d2.new_full((1, *d2.shape[1:]), -1.0)
    if weight is not None:
        a, a2 = a * weight, a2 * weight
    return (a, a2) if slope is None else (a - slope, a2)
