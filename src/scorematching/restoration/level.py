"""Level of white noise in an image: the one under which a prior finds the image most probable."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.priors.stein_risk import residual_and_divergence

#: Maximum number of steps, and the relative change of the level at which they end.
_STEPS, _SETTLED = 10, 0.005
#: Factor that lengthens the steps of expectation maximization, in the logarithm of the level. They are too short.
_LENGTHENED = 1.5
#: Least level, with white at 1.
_LEAST = 1e-9


def level_by_prior(y: Tensor, sigma: float, prior: Prior, generator: torch.Generator, counted: Tensor) -> float:
    """Find the noise level by expectation maximization (Dempster, Laird & Rubin 1977).

    Each step is::

        sigma^2  <-  mean |y - x|^2 + sigma^2 mean div x,    x = y + sigma^2 grad log p(y)

    The term with ``div x`` is the variance of the clean images given ``y``.

    Args:
        y: Planes, (N, C, H, W), as arranged by the prior, with white at 1.
        sigma: First guess, above 0.
        prior: A prior of many noise levels.
        generator: Random number generator of the probes of the divergence.
        counted: Entries whose noise counts, a mask of the shape of ``y``.
    """
    for _ in range(_STEPS):
        residual, divergence = residual_and_divergence(y, sigma, prior, generator, counted)
        variance = residual + sigma**2 * max(divergence, 0.0)
        before, sigma = sigma, max(sigma * (variance / sigma**2) ** (_LENGTHENED / 2), _LEAST)
        if abs(math.log(sigma / before)) < _SETTLED:
            break
    return sigma
