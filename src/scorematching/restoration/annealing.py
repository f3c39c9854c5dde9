"""Restoration by a prior of many noise levels: noise, Tweedie's formula and the observation in turn, ever finer."""

from __future__ import annotations

import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.restoration.color import posterior_mean
from scorematching.restoration.convergence import Monitor, Watch
from scorematching.restoration.map_estimate import posterior_energy
from scorematching.restoration.operators import LinearOperator

#: The first noise level, white being 1, where the prior knows such.
_HIGHEST = 49 / 255
#: Of the noise of a level, how much is added: all of it would be lost on what is known by then.
_ADDED = 0.8
#: Conjugate gradients: iterations at most, and the share of the first residual's square at which they end.
_ITERATIONS, _ENOUGH = 20, 1e-10
#: Levels, where nothing is said.
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
    monitor: Monitor | None = None,
) -> Tensor:
    """Stochastic ascent of a posterior that is smoothed less and less (Kadkhodaie & Simoncelli 2021).

    At each level ``s``, falling from 49/255 to the prior's lowest, noise ``n`` is added, the prior has its say, then
    the observation, as in half-quadratic splitting (Geman & Yang 1995)::

        v = x + 0.8 s n
        z = v + s^2 grad log p_s(v)                                   Tweedie's formula
        x = argmin |A x - y|^2 / (2 sigma^2) + |x - z|^2 / (2 s^2)    conjugate gradients

    It does not end in the nearest of the many maxima that the posterior has; and the noise keeps to what the prior
    knows, noisy images. A result less probable than ``start``, both with noise of the prior's lowest level, would be
    dropped for that.

    Args:
        observed: ``y``, the planes of one image, (C, 1, H', W'), white at 1.
        operator: ``A``, with its adjoint.
        sigma: Standard deviation of the noise in ``y``, white being 1.
        prior: One of many noise levels, see :func:`knows_levels`.
        start: First guess of ``x``, planes (C, 1, H, W).
        steps: Levels.
        generator: What the noise is drawn with; torch's own if not given.
        monitor: Told of each level.

    Returns:
        ``x``, planes (C, 1, H, W).
    """
    x, watch = start, Watch(observed, operator, sigma, monitor)
    low, high = prior.info.levels
    highest = min(_HIGHEST, high)
    lowest = min(max(sigma, low), highest)
    for step in range(steps):
        level = highest * (lowest / highest) ** (step / max(steps - 1, 1))
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        z = posterior_mean(x + _ADDED * level * noise, level, prior)
        before, x = x, _compromise(operator, observed, z, (sigma / level) ** 2)
        watch.tell(step + 1, steps, before, x)
    noise = low * torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    first, last = (posterior_energy(planes, observed, operator, sigma, prior, noise)[0] for planes in (start, x))
    return x if last < first else start


def knows_levels(prior: Prior) -> bool:
    """Whether a prior knows noise levels that are four times one another, as a ladder of them needs."""
    low, high = prior.info.levels
    return 0 < 4 * low <= high


def _compromise(operator: LinearOperator, y: Tensor, z: Tensor, weight: float) -> Tensor:
    """The minimum of ``|A x - y|^2 + weight |x - z|^2``, by conjugate gradients from ``z`` on."""
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
