"""Restoration with a prior of many noise levels: add noise, denoise, apply the data term, at ever lower levels."""

from __future__ import annotations

import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.restoration.color import posterior_mean
from scorematching.restoration.convergence import Watch
from scorematching.restoration.map_estimate import posterior_energy
from scorematching.restoration.operators import LinearOperator
from scorematching.runtime.progress import ProgressCallback

#: Highest noise level of the ladder, with white at 1, if the prior was trained for it.
_HIGHEST = 49 / 255
#: Added noise, as a fraction of the level. With a fraction of 1, the noise would erase the progress made so far.
_ADDED = 0.8
#: Conjugate gradients: maximum number of iterations, and final squared residual as a fraction of the first.
_ITERATIONS, _ENOUGH = 20, 1e-10
#: Default number of levels.
LEVELS = 20


@torch.no_grad()
def annealed(
    observed: Tensor,
    operator: LinearOperator,
    sigma: float,
    prior: Prior,
    start: Tensor,
    steps: int = LEVELS,
    generator: torch.Generator | None = None,
    progress: ProgressCallback | None = None,
) -> Tensor:
    """Ascend a posterior stochastically while it is smoothed less and less (Kadkhodaie & Simoncelli 2021).

    The level ``s`` falls from 49/255, or the highest level of the prior if that is lower, to ``sigma``, or the lowest
    level of the prior if that is higher. At each level, add noise ``n``, apply the prior, and apply the data term, as
    in half-quadratic splitting (Geman & Yang 1995)::

        v = x + 0.8 s n
        z = v + s^2 grad log p_s(v)                                   Tweedie's formula
        x = argmin |A x - y|^2 / (2 sigma^2) + |x - z|^2 / (2 s^2)    conjugate gradients

    The method does not stop at the maximum of the posterior that is nearest to ``start``. The added noise keeps the
    images similar to those that the prior was trained on. If the result is less probable than ``start``, it is
    discarded and ``start`` is returned. For this comparison, noise of the prior's lowest level is added to both.

    Args:
        observed: ``y``, planes of one image, (C, 1, H', W'), with white at 1.
        operator: ``A``, with its adjoint.
        sigma: Standard deviation of the noise in ``y``, with white at 1.
        prior: A prior of many noise levels (``prior.noise.is_wide``).
        start: First guess of ``x``, planes (C, 1, H, W).
        steps: Number of levels.
        generator: Random number generator of the noise. By default that of PyTorch.
        progress: Called after each level with ``misfit`` and ``change``.

    Returns:
        ``x``, planes (C, 1, H, W).
    """
    x, watch = start, Watch(observed, operator, sigma, progress)
    assert prior.noise is not None
    low, high = prior.noise.range
    highest = min(_HIGHEST, high)
    lowest = min(max(sigma, low), highest)
    for step in range(steps):
        level = highest * (lowest / highest) ** (step / max(steps - 1, 1))
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        z = posterior_mean(x + _ADDED * level * noise, level, prior)
        before, x = x, _compromise(operator, observed, z, (sigma / level) ** 2)
        watch.report(step + 1, steps, before, x)
    noise = low * torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    first, last = (posterior_energy(planes, observed, operator, sigma, prior, noise)[0] for planes in (start, x))
    return x if last < first else start


def _compromise(operator: LinearOperator, y: Tensor, z: Tensor, weight: float) -> Tensor:
    """Return the minimum of ``|A x - y|^2 + weight |x - z|^2``, by conjugate gradients from ``z``."""
    x, residual = z, operator.adjoint(y - operator(z))
    direction, square = residual, residual.square().sum()
    enough = _ENOUGH * square
    for _ in range(_ITERATIONS):
        if square <= enough:
            break
        image = operator.adjoint(operator(direction)) + weight * direction
        length = square / (direction * image).sum()
        x, residual = x + length * direction, residual - length * image
        before, square = square, residual.square().sum()
        direction = residual + square / before * direction
    return x
