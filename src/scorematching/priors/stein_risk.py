"""Stein's unbiased risk estimate: a denoiser's error from the noisy image alone."""

from __future__ import annotations

import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.priors.posterior import tweedie

#: Step of the finite difference that gives the divergence, as a fraction of the noise level.
_STEP = 0.1


@torch.no_grad()
def stein_error(y: Tensor, sigma: float, prior: Prior, generator: torch.Generator | None = None) -> float:
    """Estimate the mean squared error of Tweedie's formula on noisy planes, without the clean ones.

    ``SURE = mean (D(y) - y)^2 - sigma^2 + 2 sigma^2 mean div D`` (Stein 1981), the divergence by one random probe
    (Ramani, Blu & Unser 2008). It is unbiased for Gaussian noise of that level, up to the finite difference.

    Args:
        y: Shape (N, C, H, W), white at 1.
        sigma: Standard deviation of the noise, white being 1.
        prior: A prior of noisy images.
        generator: Source of the random probe; torch's default if ``None``.

    Returns:
        The estimate, white being 1. It may be negative by chance where the error is small.

    Raises:
        ValueError: The prior was trained on clean images, or the shape does not fit.
    """
    residual, divergence = residual_and_divergence(y, sigma, prior, generator)
    return residual - sigma**2 + 2 * sigma**2 * divergence


@torch.no_grad()
def residual_and_divergence(
    y: Tensor, sigma: float, prior: Prior, generator: torch.Generator | None = None
) -> tuple[float, float]:
    """Return ``mean (D(y) - y)^2`` and, by one random probe, ``mean div D`` for Tweedie's formula ``D``."""
    probe = torch.randint(2, y.shape, generator=generator).to(y) * 2 - 1
    x, ahead = (tweedie(near, sigma, prior) for near in (y, y + _STEP * sigma * probe))
    divergence = (probe * (ahead - x)).double().mean() / (_STEP * sigma)
    return float((x - y).double().square().mean()), float(divergence)
