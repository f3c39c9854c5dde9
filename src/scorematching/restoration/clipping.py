"""Pixels whose noise was clipped to the range of a file: their noise beyond the range is drawn again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scorematching.images.validity import End, clipped_ends
from scorematching.runtime.arguments import check_positive, shown
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.origin import Origin

#: Lower bound on the probability, so that draws stay finite.
_LEAST = 1e-12


def unclipped(
    y: Tensor, x: Tensor, sigma: float, origin: Origin | None = None, ends: Sequence[End] | None = None
) -> Tensor:
    """Draw noisy planes as they may have been before values below black and above white were clipped.

    A prior of noisy images was never trained on noise-free regions. Where ``y`` is at an end of the range, its value is
    therefore replaced by a draw from the part of the Gaussian ``N(x, sigma^2)`` beyond that end.

    Args:
        y: Noisy planes, shape (N, 1, H, W), with black at 0 and white at 1.
        x: Estimate of the clean planes, of the same shape.
        sigma: Standard deviation of the noise, with white at 1.
        origin: Random numbers of the pixels. By default those of seed 0.
        ends: Ends of the range at which noise was clipped. By default those beyond which there is no value, and which
            at least a thousandth of the values are equal to.

    Returns:
        ``y`` itself if nothing is clipped, otherwise a copy.

    Example:
        >>> y = torch.tensor([[[[0.0, 0.0, 0.5]]]])
        >>> found = unclipped(y, torch.full_like(y, 0.1), sigma=0.1)
        >>> bool((found[..., :2] < 0).all()), found[..., 2].item()
        (True, 0.5)
    """
    check_positive("sigma", sigma)
    check_arguments(unclipped, locals())
    if x.shape != y.shape or not (x.is_floating_point() and y.is_floating_point()) or y.ndim != 4:
        raise ValueError(f"y and x must be planes of floating point and one shape, got {shown(y)} and {shown(x)}")
    result, origin = y, origin or Origin()
    for end, sign in clipped_ends(y) if ends is None else ends:
        cut = y == end
        if not bool(cut.any()):
            continue
        mean = (sign * (x[cut] - end)).double() / sigma
        below = torch.special.ndtr(-mean)  # probability that this pixel was clipped
        share = torch.from_numpy(origin.uniform((len(y), *y.shape[2:])))[:, None].to(mean)[cut]
        drawn = mean + torch.special.ndtri((share * below).clamp_min(_LEAST))
        result = result.clone() if result is y else result
        result[cut] = end + sign * sigma * drawn.clamp_max(0).to(y)
    return result
