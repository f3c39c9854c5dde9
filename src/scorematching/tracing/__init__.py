"""Conversion of PyTorch modules to graphs.

:func:`from_torch` converts a ``torch.nn.Module`` that returns energies; begin there. The rules that map each operation
of PyTorch to edges are in ``pointwise_rules`` and ``affine_rules``.
"""

from scorematching.tracing.trace import from_torch

__all__ = ["from_torch"]
