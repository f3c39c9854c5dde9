"""Reduction of the losses of a batch."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from scorematching.runtime.arguments import check_choice

Reduction = Literal["mean", "sum", "none"]


def check_reduction(reduction: str) -> None:
    """Raise ``ValueError`` unless the reduction is known."""
    check_choice("reduction", reduction, get_args(Reduction))


def reduced(losses: Tensor, reduction: Reduction) -> Tensor:
    """Return the losses, shape (N,), or their mean or sum."""
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()
