"""Restoration with a prior of many noise levels: add noise, denoise, apply the data term, at ever finer levels."""

from __future__ import annotations

import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.restoration.color import posterior_mean
from scorematching.restoration.convergence import Watch
from scorematching.restoration.map_estimate import posterior_energy
from scorematching.restoration.operators import LinearOperator
from scorematching.runtime.progress import ProgressCallback

#: The first noise level, with white at 1, where the prior was trained for it.
_HIGHEST = 49 / 255
#: Fraction of a level's noise that is added: all of it would erase what is known by then.
_ADDED = 0.8
#: Conjugate gradients: maximum number of iterations, and the fraction of the first squared residual at which they end.
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

    At each level ``s``, falling from 49/255 to the prior's lowest, add noise ``n``, apply the prior, then the data
    term, as in half-quadratic splitting (Geman & Yang 1995)::

        v = x + 0.8 s n
        z = v + s^2 grad log p_s(v)                                   Tweedie's formula
        x = argmin |A x - y|^2 / (2 sigma^2) + |x - z|^2 / (2 s^2)    conjugate gradients

    The method does not end in the nearest of the posterior's many maxima, and its noise keeps the images such as the
    prior was trained on. If the result is less probable than ``start``, both with noise of the prior's lowest level, it
    is discarded and ``start`` is returned.

    Args:
        observed: ``y``, the planes of one image, (C, 1, H', W'), white at 1.
        operator: ``A``, with its adjoint.
        sigma: Standard deviation of the noise in ``y``, with white at 1.
        prior: A prior of many noise levels (``prior.noise.is_wide``).
        start: First guess of ``x``, planes (C, 1, H, W).
        steps: Number of levels.
        generator: Source of the noise; torch's default if ``None``.
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
