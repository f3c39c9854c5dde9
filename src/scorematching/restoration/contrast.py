"""Limits of the contrast that a prior sees: its training images had a range of 5 to 51 times their noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.images.validity import End, clipped_ends

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


@dataclass(frozen=True)
class Extent:
    """Range of the values of an image, the same for all its tiles.

    Attributes:
        low: Lowest value without the extreme hundredth.
        high: Highest value without the extreme hundredth.
        ends: Ends of the range at which noise was clipped.

    Example:
        >>> extent = Extent.of(torch.linspace(0, 1, 10_001)[None, None, None])
        >>> round(extent.low, 6), round(extent.high, 6), round(255 * extent.usable_level(1e-3), 6)
        (0.01, 0.99, 1.96)
    """

    low: float
    high: float
    ends: tuple[End, ...] = ()

    @classmethod
    def of(cls, y: Tensor) -> Extent:
        """Measure the extent of planes, (C, 1, H, W)."""
        values = y.flatten()
        values = values[:: 1 + len(values) // _PIXELS].float().sort().values
        beyond = int(_BEYOND * len(values))
        return cls(float(values[beyond]), float(values[-1 - beyond]), tuple(clipped_ends(y)))

    def usable_level(self, level: float) -> float:
        """Return the noise level at which a prior is used: the given one, but not below 2/255 of the image's range."""
        return max(level, _LOWEST * (self.high - self.low))

    def without_spikes(self, y: Tensor, level: float) -> Tensor:
        """Return planes, (C, 1, H, W), whose spikes are clipped: hot pixels, stars.

        A spike is outside the range of all but two hundredths of the pixels, farther from the opposite end than 51
        noise levels, and as far from its surroundings. A prior never saw such values, and would damage what is around
        them.
        """
        low, high = self.low, self.high
        clipped = y.clamp(min(low, high - _SPIKE * level), max(high, low + _SPIKE * level))
        if torch.equal(clipped, y):
            return y
        around = F.avg_pool2d(clipped, _AROUND, 1, _AROUND // 2, count_include_pad=False)
        return torch.where((y - around).abs() > _SPIKE * level, clipped, y)
