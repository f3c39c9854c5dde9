"""Pixels that can carry noise: all but missing, transparent, clipped and constant ones."""

from __future__ import annotations

from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.runtime.kinds import check_arguments

#: End of the range of an image, 0 or 1, and the sign of the direction inward.
End: TypeAlias = tuple[float, float]
#: Side, in pixels, of a square that carries no noise if all its values are equal.
_CONSTANT = 7
#: Minimum fraction of the pixels at an end of the range; with fewer, clipping makes no difference.
_SHARE = 1e-3
#: Side of the square around a pixel, and the fraction of its pixels at an end from which noise there is clipped too
#: often to tell its level.
_AROUND, _OFTEN = 11, 0.1
#: Minimum fraction of the pixels that remain; with fewer, all pixels count that can be noisy.
_ENOUGH = 0.05


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
    check_arguments(can_be_noisy, locals())
    noisy = ~_constant(planes)
    for end, _ in clipped_ends(planes):
        noisy &= ~(planes == end).any(0)[0]
    return noisy


def tells_level(planes: Tensor) -> Tensor:
    """Return which pixels tell the noise level, shape (H, W).

    Near an end of the range, noise is clipped. The noise of the other pixels there looks too weak. So a pixel counts
    only if less than a tenth of the pixels of a square of 11 x 11 is clipped. If few pixels remain, all count that can
    be noisy.

    Args:
        planes: Shape (C, 1, H, W), black 0 and white 1.

    Example:
        >>> clean = torch.linspace(0, 0.5, 40).expand(1, 1, 40, 40)
        >>> noisy = (clean + 0.05 * torch.randn(1, 1, 40, 40)).clamp(0, 1)
        >>> tells_level(noisy)[:, [0, 39]].all(0).tolist()
        [False, True]
    """
    check_arguments(tells_level, locals())
    rest = ~_constant(planes)
    for end, _ in clipped_ends(planes):
        rest &= (_mean_around((planes == end).float()) < _OFTEN).all(0)[0]
    return rest if rest.float().mean() >= _ENOUGH else can_be_noisy(planes)


def clipped_ends(y: Tensor) -> list[End]:
    """Return the ends of the range at which noise was clipped, each with the sign of the direction inward."""
    return [
        (end, sign)
        for end, sign in ((0.0, 1.0), (1.0, -1.0))
        if not bool((sign * (y - end) < 0).any()) and int((y == end).sum()) >= _SHARE * y.numel()
    ]


def _mean_around(planes: Tensor) -> Tensor:
    """Return the mean of a square around each pixel, without what is outside the image."""
    return F.avg_pool2d(planes, _AROUND, 1, _AROUND // 2, count_include_pad=False)


def _constant(planes: Tensor) -> Tensor:
    """Return which pixels are in a square of equal values, shape (H, W)."""
    if not planes.is_floating_point():
        raise TypeError(f"planes must be of floating point, got {planes.dtype}")
    half = _CONSTANT // 2
    if min(planes.shape[2:]) < _CONSTANT:
        return torch.zeros(planes.shape[2:], dtype=torch.bool, device=planes.device)
    spread = F.max_pool2d(planes, _CONSTANT, 1) + F.max_pool2d(-planes, _CONSTANT, 1)
    flat = (spread == 0).all(0, keepdim=True).float()
    return F.max_pool2d(F.pad(flat, [2 * half] * 4), _CONSTANT, 1)[0, 0] > 0
