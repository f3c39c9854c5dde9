"""Pixels whose noise was clipped to the range of a file: their noise beyond the range is drawn again."""

from __future__ import annotations

import torch
from torch import Tensor

from scorematching.images.validity import clipped_ends

#: Lower bound on the probability, so that draws stay finite.
_LEAST = 1e-12


def unclipped(y: Tensor, x: Tensor, sigma: float, generator: torch.Generator | None = None) -> Tensor:
    """Draw noisy planes as they may have been before values below black and above white were clipped.

    A prior of noisy images was never trained on noise-free regions. Where ``y`` is at an end of the range, its value is
    therefore replaced by a draw from the part of the Gaussian ``N(x, sigma^2)`` beyond that end.

    Args:
        y: Noisy planes, shape (N, 1, H, W), with black at 0 and white at 1. They count as clipped at an end of the
            range if no value lies beyond it and at least a thousandth of the values are equal to it.
        x: Estimate of the clean planes, of the same shape.
        sigma: Standard deviation of the noise, with white at 1.
        generator: Random number generator. By default that of PyTorch.

    Returns:
        ``y`` itself if nothing is clipped, otherwise a copy.

    Example:
        >>> y = torch.tensor([[[[0.0, 0.0, 0.5]]]])
        >>> found = unclipped(y, torch.full_like(y, 0.1), sigma=0.1)
        >>> bool((found[..., :2] < 0).all()), found[..., 2].item()
        (True, 0.5)
    """
    result = y
    for end, sign in clipped_ends(y):
        cut = y == end
        mean = (sign * (x[cut] - end)).double() / sigma
        below = torch.special.ndtr(-mean)  # probability that this pixel was clipped
        share = torch.rand(mean.shape, generator=generator, dtype=mean.dtype).to(mean.device)
        drawn = mean + torch.special.ndtri((share * below).clamp_min(_LEAST))
        result = result.clone() if result is y else result
        result[cut] = end + sign * sigma * drawn.clamp_max(0).to(y)
    return result
