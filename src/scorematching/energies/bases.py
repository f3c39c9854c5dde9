"""Orthonormal bases of square patches."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorematching.runtime.kinds import check_arguments


def dct_filters(size: int, count: int | None = None) -> Tensor:
    """Return the orthonormal two-dimensional DCT-II basis, lowest frequencies first.

    Args:
        size: Side of a patch in pixels.
        count: Number of basis images; by default all, size^2.

    Returns:
        Basis images, shape (count, size, size).

    Example:
        >>> basis = dct_filters(4).flatten(1)
        >>> torch.allclose(basis @ basis.T, torch.eye(16), atol=1e-6)
        True
    """
    check_arguments(dct_filters, locals())
    k = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi / size * k[:, None] * (k + 0.5)) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    chosen = torch.argsort((k[:, None] + k).flatten(), stable=True)[:count]
    return torch.einsum("ky,kx->kyx", rows[chosen // size], rows[chosen % size]).float()
