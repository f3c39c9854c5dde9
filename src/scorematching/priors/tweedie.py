"""Tweedie's formula: the mean of all clean images that a noisy one may come from."""

from __future__ import annotations

from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.runtime.progress import Step


def tweedie(y: Tensor, sigma: float, prior: Prior, progress: Step | None = None) -> Tensor:
    """Tweedie's formula for planes: ``x = y + sigma^2 grad log p(y)``; see :func:`scorematching.denoise`.

    Args:
        y: Shape (N, C, H, W), as the prior sees images.
        sigma: Standard deviation of the noise, white being 1.
        prior: One of noisy images; at another level than its own the contrast is rescaled.
        progress: Called with the tiles done and their number.

    Raises:
        ValueError: The prior is one of clean images.
    """
    own = prior.info.sigma
    if not own:
        raise ValueError("Tweedie's formula needs a prior of noisy images; this one was fitted on clean ones: use MAP")
    contrast = own / sigma
    return prior.score(y, contrast, progress).mul_(own**2).div_(contrast).add_(y)  # large images: no copies
