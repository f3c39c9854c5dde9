"""Pixels that can carry noise: all but missing, transparent, clipped and constant ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Side, in pixels, of a square that carries no noise if all its values are equal.
_CONSTANT = 7
#: Minimum fraction of the pixels at an end of the range; with fewer, clipping makes no difference.
_SHARE = 1e-3


def can_be_noisy(planes: Tensor) -> Tensor:
    """Return which pixels can carry noise, shape (H, W).

    A constant margin, the background of a cut-out and clipped highlights have no noise. They would mislead an
    estimate of the noise level.

    Args:
        planes: Shape (C, 1, H, W), black 0 and white 1.

    Example:
        >>> planes = torch.rand(1, 1, 20, 30)
        >>> planes[..., :10] = 0.5
        >>> can_be_noisy(planes)[:, ::10].all(0).tolist()
        [False, True, True]
    """
    noisy = torch.ones(planes.shape[2:], dtype=torch.bool, device=planes.device)
    for end, _ in clipped_ends(planes):
        noisy &= ~(planes == end).any(0)[0]
    return noisy & ~_constant(planes)


def clipped_ends(y: Tensor) -> list[tuple[float, float]]:
    """Return the ends of the range at which noise was clipped, each with the sign of the direction inward."""
    return [
        (end, sign)
        for end, sign in ((0.0, 1.0), (1.0, -1.0))
        if not bool((sign * (y - end) < 0).any()) and int((y == end).sum()) >= _SHARE * y.numel()
    ]


def _constant(planes: Tensor) -> Tensor:
    """Return which pixels are in a square of equal values, shape (H, W)."""
    half = _CONSTANT // 2
    if min(planes.shape[2:]) < _CONSTANT:
        return torch.zeros(planes.shape[2:], dtype=torch.bool, device=planes.device)
    spread = F.max_pool2d(planes, _CONSTANT, 1) + F.max_pool2d(-planes, _CONSTANT, 1)
    flat = (spread == 0).all(0, keepdim=True).float()
    return F.max_pool2d(F.pad(flat, [2 * half] * 4), _CONSTANT, 1)[0, 0] > 0
