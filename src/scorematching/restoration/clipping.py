"""Pixels that the range of a file has cut off: their noise is not Gaussian any more, and can be given back."""

from __future__ import annotations

import torch
from torch import Tensor

#: Of the pixels: fewer at an end of the range make no difference.
_SHARE = 1e-3
#: At least as probable is taken what was observed, lest a draw be infinite.
_LEAST = 1e-12


def unclipped(y: Tensor, x: Tensor, sigma: float, generator: torch.Generator | None = None) -> Tensor:
    """Noisy planes as they may have been before values below black and above white were cut off.

    Where ``y`` is at an end of its range, the Gaussian ``N(x, sigma^2)`` beyond that end is drawn from: the noise that
    was there, given what the clean image is held to be. A prior of noisy images knows no places without noise.

    Args:
        y: Shape (N, 1, H, W), black 0 and white 1. An end counts where no value lies beyond it, and a thousandth of all
            at it.
        x: An estimate of the clean planes, of that shape.
        sigma: Standard deviation of the noise, white being 1.
        generator: What is drawn with; torch's own if not given.

    Returns:
        ``y`` itself where nothing is clipped, otherwise a copy.

    Example:
        >>> y = torch.tensor([[[[0.0, 0.0, 0.5]]]])
        >>> found = unclipped(y, torch.full_like(y, 0.1), sigma=0.1)
        >>> bool((found[..., :2] < 0).all()), found[..., 2].item()
        (True, 0.5)
    """
    result = y
    for end, sign in ends_cut(y):
        cut = y == end
        mean = (sign * (x[cut] - end)).double() / sigma
        below = torch.special.ndtr(-mean)  # how probable it was that this pixel would be cut off
        share = torch.rand(mean.shape, generator=generator, dtype=mean.dtype).to(mean.device)
        drawn = mean + torch.special.ndtri((share * below).clamp_min(_LEAST))
        result = result.clone() if result is y else result
        result[cut] = end + sign * sigma * drawn.clamp_max(0).to(y)
    return result


def ends_cut(y: Tensor) -> list[tuple[float, float]]:
    """The ends of the range at which noise was cut off, and the sign of what lies within."""
    return [
        (end, sign)
        for end, sign in ((0.0, 1.0), (1.0, -1.0))
        if not bool((sign * (y - end) < 0).any()) and int((y == end).sum()) >= _SHARE * y.numel()
    ]
