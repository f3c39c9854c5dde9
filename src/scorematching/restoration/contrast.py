"""Limits of the contrast that a prior sees: its training images had a range of 5 to 51 times their noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Lowest noise level, as a fraction of the image's range, at which the contrast is rescaled. Below, images such as the
#: prior was trained on do not look alike at so high a contrast.
_LOWEST = 2 / 255
#: Minimum distance of a spike from other values, in multiples of the noise level.
_SPIKE = 255 / 5
#: Side of the surroundings of a pixel.
_AROUND = 7
#: Fraction of the pixels beyond either end of the range of an image.
_BEYOND = 1e-2
#: Maximum number of pixels that the range is computed from.
_PIXELS = 1_000_000


def value_range(y: Tensor) -> tuple[float, float]:
    """Return the range of an image's values, without the extreme hundredths.

    Example:
        >>> value_range(torch.linspace(0, 1, 10_001)[None, None, None])
        (0.009999999776482582, 0.9900000095367432)
    """
    values = y.flatten()
    values = values[:: 1 + len(values) // _PIXELS].float().sort().values
    beyond = int(_BEYOND * len(values))
    return float(values[beyond]), float(values[-1 - beyond])


def usable_level(y: Tensor, level: float) -> float:
    """Return the noise level at which a prior is used: the given one, but not below 2/255 of the image's range."""
    low, high = value_range(y)
    return max(level, _LOWEST * (high - low))


def without_spikes(y: Tensor, level: float) -> Tensor:
    """Return planes, (C, 1, H, W), whose spikes are clipped: hot pixels, stars.

    A spike is outside the range of all but two hundredths of the pixels, farther from the opposite end than 51 noise
    levels, and as far from its surroundings. A prior never saw such values, and would damage what is around them.
    """
    low, high = value_range(y)
    clipped = y.clamp(min(low, high - _SPIKE * level), max(high, low + _SPIKE * level))
    if torch.equal(clipped, y):
        return y
    around = F.avg_pool2d(clipped, _AROUND, 1, _AROUND // 2, count_include_pad=False)
    return torch.where((y - around).abs() > _SPIKE * level, clipped, y)
