"""Graphs from existing modules of PyTorch."""

from scorematching.tracing.trace import from_torch

__all__ = ["from_torch"]
