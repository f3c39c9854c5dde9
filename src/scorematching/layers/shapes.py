"""Checks of input shapes that several layers share."""

from __future__ import annotations

from torch import Tensor


def check_channels(x: Tensor, channels: int) -> None:
    """Raise ``ValueError`` unless ``x`` has shape (N, channels, ...)."""
    if x.ndim < 2 or x.shape[1] != channels:
        raise ValueError(f"expected shape (N, {channels}, ...), got {tuple(x.shape)}")
