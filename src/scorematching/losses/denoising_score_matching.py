"""Denoising score matching, for any module, without second derivatives."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scorematching.curvature import differentiable_gradient
from scorematching.curvature.probes import draw
from scorematching.losses.reduction import Reduction, check_reduction, reduced
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.validation import check_data, full_precision


def denoising_score_matching_loss(
    energy: nn.Module,
    x: Tensor,
    sigma: float,
    generator: torch.Generator | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return the denoising score matching loss (Vincent 2011), which needs no second derivative.

    The loss is ``1/2 |d(x + sigma n) - n / sigma|^2`` with standard normal noise ``n``. Up to a constant, its mean over
    the noise is the score matching loss on data with this noise. So the energy is fitted to the *noisy* density.

    Args:
        energy: The model: any module that returns energies.
        x: Clean data, shape (N, ...).
        sigma: Standard deviation of the noise, in the unit of ``x``.
        generator: Random number generator of the noise. By default that of PyTorch.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        TypeError: ``energy`` is not a module, or ``x`` is not of floating point.
        ValueError: A shape does not fit, ``sigma`` is not above 0, ``x`` is not finite, or an option is unknown.

    Example:
        >>> energy = nn.Sequential(nn.Linear(4, 8), nn.Softplus(), nn.Linear(8, 1))
        >>> denoising_score_matching_loss(energy, torch.randn(16, 4), sigma=0.1).shape
        torch.Size([])
    """
    check_reduction(reduction)
    sigma = check_positive("sigma", sigma)
    check_data(energy, x, finite=True)
    with full_precision(x):
        n = draw(x, "gaussian", generator)
        d = differentiable_gradient(energy, x + sigma * n)
        losses = 0.5 * (d - n / sigma).square().flatten(1).sum(1)
    return reduced(losses, reduction)
