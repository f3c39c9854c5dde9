"""Tweedie's formula: the mean of all clean images that a noisy image may come from."""

from __future__ import annotations

from torch import Tensor

from scorematching.noise import white_level
from scorematching.priors.base import Prior
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import ProgressCallback


def tweedie(
    y: Tensor, sigma: float, prior: Prior, progress: ProgressCallback | None = None, at: tuple[int, int] = (0, 0)
) -> Tensor:
    """Apply Tweedie's formula to planes: ``x = y + sigma^2 grad log p(y)``; see :func:`scorematching.denoise`.

    If the noise of the prior is correlated, the formula is ``x = y + Sigma grad log p(y)``, where ``Sigma`` has the
    correlation of the prior's noise and the level ``sigma``.

    Args:
        y: Noisy planes, shape (N, C, H, W), as arranged by the prior. Neighbors are returned unchanged.
        sigma: Standard deviation of the noise, with white at 1.
        prior: A prior of noisy images. If ``sigma`` differs from its level, the contrast is rescaled.
        progress: Called after each tile.
        at: Row and column of a larger image at which the planes start.

    Raises:
        ValueError: The prior was trained on clean images.
    """
    check_arguments(tweedie, locals())
    sigma = white_level(sigma, data_range=1.0)
    if prior.noise is None:
        raise ValueError("Tweedie's formula needs a prior of noisy images; this one was trained on clean ones: use MAP")
    own = prior.noise.sigma
    contrast = own / sigma
    step = prior.score(y, contrast, progress, at).mul_(own**2).div_(contrast)  # large images: no copies
    return prior.noise.correlated(step).add_(y)
