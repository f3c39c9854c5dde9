"""Denoising of noise that is not white, with a denoiser of white noise: half-quadratic splitting."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.noise import Covariance
from scorematching.noise.covariance import StationaryCovariance
from scorematching.runtime.progress import ProgressCallback, subtask

#: Planes, their noise level, and a progress callback; returns the denoised planes.
WhiteDenoiser = Callable[[Tensor, float, ProgressCallback | None], Tensor]
#: Number of levels, and the first and the last one as a fraction of the root of the largest eigenvalue of the noise.
_LEVELS, _HIGHEST, _LOWEST = 5, 0.7, 0.175
#: Noise level of the denoiser, as a multiple of that of the data term. In an exact splitting it is 1.
_STRENGTH = math.sqrt(3)
#: Number of random signs for error bars, the step along them as a fraction of the level, and the side in pixels of the
#: squares over which their products are averaged.
_PROBES, _STEP, _AROUND = 6, 0.3, 15


def split(
    y: Tensor,
    covariance: Covariance,
    denoiser: WhiteDenoiser,
    progress: ProgressCallback | None = None,
    *,
    fast: bool = False,
) -> Tensor:
    """Remove noise of any covariance ``Sigma`` (Geman & Yang 1995; Zoran & Weiss 2011).

    From ``x = y``, alternate a denoiser ``D`` of white noise and the data term, at ever lower levels ``s``::

        z = D(x; s)
        x = argmin (x - y)^T Sigma^-1 (x - y) + |x - z|^2 / t^2 = z + t^2 (t^2 + Sigma)^-1 (y - z),    t = s / sqrt(3)

    The result is the last ``z`` for stationary noise, and for other noise the last ``x``, which keeps pixels without
    noise. A denoiser that is stronger than the data term asks for, by the root of 3, and levels
    from 0.7 to 0.175 of the root of the largest eigenvalue, were the best on real and simulated noise.

    Args:
        y: Noisy planes of one image, (C, 1, H, W), with white at 1.
        covariance: ``Sigma``.
        denoiser: ``D``.
        progress: Called after each tile.
        fast: Whether to return the first ``z`` only, at the level of the root of the largest eigenvalue: noise counts
            as white, as strong in every direction as in the strongest one.
    """
    if fast:
        return denoiser(y, covariance.level, progress)
    x = z = y
    for step in range(_LEVELS):
        level = covariance.level * _HIGHEST * (_LOWEST / _HIGHEST) ** (step / (_LEVELS - 1))
        z = denoiser(x, level, subtask(progress, step, step + 1, parts=_LEVELS))
        x = z + covariance.damped(y - z, level / _STRENGTH)
    return z if isinstance(covariance, StationaryCovariance) else x


def variance_after_splitting(
    y: Tensor,
    x: Tensor,
    covariance: Covariance,
    denoiser: WhiteDenoiser,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Tensor:
    """Return an approximation of the posterior variance of each pixel after :func:`split`.

    It is the diagonal of ``(dx/dy) Sigma``, which is the posterior covariance where ``x`` is the posterior mean. It is
    estimated as the mean of ``v * (dx/dy) Sigma v`` over random signs ``v`` and over squares of 15 pixels.

    Args:
        y: Noisy planes, as in :func:`split`.
        x: Result of :func:`split` for ``y``.
        covariance: ``Sigma``.
        denoiser: The denoiser of :func:`split`.
        seed: Seed of the random signs.
        progress: Called after each tile.
    """
    generator, total = torch.Generator().manual_seed(seed), torch.zeros_like(y)
    for probe in range(_PROBES):
        signs = (torch.randint(2, y.shape, generator=generator) * 2 - 1).to(y)
        direction = covariance.apply(signs)
        step = _STEP * covariance.level / direction.square().mean().sqrt()
        ahead = split(y + step * direction, covariance, denoiser, subtask(progress, probe, probe + 1, parts=_PROBES))
        total += signs * (ahead - x) / (step * _PROBES)
    local = F.avg_pool2d(total, _AROUND, 1, _AROUND // 2, count_include_pad=False)
    return local.clamp(0, covariance.level**2)
