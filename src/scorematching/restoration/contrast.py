"""Limits of the contrast that a prior sees: it was trained on images whose range is some 50 times their noise."""

from __future__ import annotations

from torch import Tensor

#: Lowest noise level, as a fraction of the image's range, at which the contrast is rescaled. Below, images such as the
#: prior was trained on do not look alike at so high a contrast.
_LOWEST = 2 / 255
#: Largest range of values, in multiples of the noise level, that a prior sees where the image's own range is smaller.
_SPIKE = 255 / 5
#: Fraction of the pixels beyond either end of the range of an image.
_BEYOND = 1e-3
#: Maximum number of pixels that the range is computed from.
_PIXELS = 1_000_000


def value_range(y: Tensor) -> tuple[float, float]:
    """Return the range of an image's values, without the extreme thousandths.

    Example:
        >>> value_range(torch.linspace(0, 1, 10_001)[None, None, None])
        (0.0010000000474974513, 0.9990000128746033)
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
    """Return planes whose extreme values are clipped: hot pixels, stars.

    A value counts as a spike if it is outside the range of all but a thousandth of the pixels, and farther from its
    opposite end than 51 noise levels. A prior never saw such values, and would damage their surroundings.
    """
    low, high = value_range(y)
    return y.clamp(min(low, high - _SPIKE * level), max(high, low + _SPIKE * level))
