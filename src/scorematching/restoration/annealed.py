"""Restoration by a prior of many noise levels: from coarse to fine, Tweedie's formula and the observation in turn."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scorematching.prior import Prior
from scorematching.restoration.colour import posterior_mean
from scorematching.restoration.map import posterior_energy
from scorematching.restoration.operators import LinearOperator

#: The first and the last noise level that a result is taken to have, white being 1.
_HIGHEST, _LOWEST = 49 / 255, 2 / 255
#: Conjugate gradients: iterations at most, and the share of the first residual's square at which they end.
_ITERATIONS, _ENOUGH = 20, 1e-10


@torch.no_grad()
def annealed(
    observed: Tensor,
    operator: LinearOperator,
    sigma: float,
    prior: Prior,
    start: Tensor,
    steps: int = 20,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Half-quadratic splitting (Geman & Yang 1995) of the posterior, its prior smoothed less and less.

    At each level ``s``, falling from 49/255 to 2/255, the prior has its say and then the observation::

        z = x + s^2 grad log p_s(x)                              Tweedie's formula
        x = argmin |A x - y|^2 / (2 sigma^2) + |x - z|^2 / (2 s^2)    conjugate gradients

    It ascends a posterior that is smoothed by noise of level ``s``, and does not end in the nearest of the many maxima
    that the last one has. The prior must know pictures with less noise than it is told: a blind one. A result that were
    less probable than ``start`` would be dropped for that.

    Args:
        observed: ``y``, the planes of one picture, (C, 1, H', W'), white at 1.
        operator: ``A``, with its adjoint.
        sigma: Standard deviation of the noise in ``y``, white being 1.
        prior: One of many noise levels.
        start: First guess of ``x``, planes (C, 1, H, W).
        steps: Levels.
        progress: Called with the levels done and ``steps``.

    Returns:
        ``x``, planes (C, 1, H, W).
    """
    x = start
    lowest = min(max(sigma, _LOWEST), _HIGHEST)
    for step in range(steps):
        level = _HIGHEST * (lowest / _HIGHEST) ** (step / max(steps - 1, 1))
        z = posterior_mean(x, level, prior)
        x = _compromise(operator, observed, z, (sigma / level) ** 2)
        if progress is not None:
            progress(step + 1, steps)
    before, after = (posterior_energy(planes, observed, operator, sigma, prior)[0] for planes in (start, x))
    return x if after < before else start


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
