"""Reduction of the losses of a batch."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Reduction = Literal["mean", "sum", "none"]


def reduced(losses: Tensor, reduction: Reduction) -> Tensor:
    """Return the losses, shape (N,), their mean or their sum."""
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()
