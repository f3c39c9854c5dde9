"""Orthonormal bases of square patches."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorematching.runtime.kinds import check_arguments


def dct_filters(size: int) -> Tensor:
    """Return the orthonormal two-dimensional DCT-II basis, lowest frequencies first.

    Args:
        size: Side of a patch in pixels.

    Returns:
        Basis images, shape (size^2, size, size).

    Example:
        >>> basis = dct_filters(4).flatten(1)
        >>> torch.allclose(basis @ basis.T, torch.eye(16), atol=1e-6)
        True
    """
    check_arguments(dct_filters, locals())
    k = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi / size * k[:, None] * (k + 0.5)) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    basis = torch.einsum("ay,bx->abyx", rows, rows).flatten(0, 1)
    frequency = (k[:, None] + k).flatten()
    return basis[torch.argsort(frequency, stable=True)].float()
