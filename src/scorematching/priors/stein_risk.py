"""Stein's unbiased risk estimate: the error of a denoiser, computed from the noisy image alone."""

from __future__ import annotations

import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.priors.posterior import tweedie

#: Step of the finite difference for the divergence, as a fraction of the noise level.
_STEP = 0.1


@torch.no_grad()
def stein_error(y: Tensor, sigma: float, prior: Prior, generator: torch.Generator | None = None) -> float:
    """Estimate the mean squared error of Tweedie's formula ``D`` on noisy planes, without the clean planes.

    ``SURE = mean (D(y) - y)^2 - sigma^2 + 2 sigma^2 mean div D`` (Stein 1981). The divergence is estimated from one
    random probe (Ramani, Blu & Unser 2008). For Gaussian noise of this level the estimate is unbiased, up to the error
    of the finite difference. If the noise of the prior is correlated, with covariance ``Sigma`` and Jacobian ``J`` of
    ``D``, ``sigma^2 div D`` stands for ``tr(J Sigma)``.

    Args:
        y: Noisy planes, shape (N, C, H, W), with white at 1. Neighbors are given, and do not count.
        sigma: Standard deviation of the noise, with white at 1.
        prior: A prior of noisy images.
        generator: Random number generator of the probe. By default that of PyTorch.

    Returns:
        The estimate, with white at 1. If the error is small, it may be negative by chance.

    Raises:
        ValueError: The prior was trained on clean images, or the shape does not fit.
    """
    own = torch.zeros_like(y, dtype=torch.bool)
    own[:, prior.own] = True
    residual, divergence = residual_and_divergence(y, sigma, prior, generator, own)
    return residual - sigma**2 + 2 * sigma**2 * divergence


@torch.no_grad()
def residual_and_divergence(
    y: Tensor,
    sigma: float,
    prior: Prior,
    generator: torch.Generator | None = None,
    counted: Tensor | None = None,
) -> tuple[float, float]:
    """Return ``mean (D(y) - y)^2``, and ``mean div D`` from one random probe, for Tweedie's formula ``D``.

    The means are over the entries that are ``counted``, a mask of the shape of ``y``; over all by default.
    """
    probe = torch.randint(2, y.shape, generator=generator).to(y) * 2 - 1
    if prior.images > 1 and counted is not None:
        probe *= counted
    step = probe if prior.noise is None else prior.noise.correlated(probe)
    x, ahead = (tweedie(near, sigma, prior) for near in (y, y + _STEP * sigma * step))
    squares, slopes = (x - y).double().square(), (probe * (ahead - x)).double()
    if counted is not None:
        squares, slopes = squares[counted], slopes[counted]
    return float(squares.mean()), float(slopes.mean() / (_STEP * sigma))
