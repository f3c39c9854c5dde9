"""Sliced score matching, for any module, with random directions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scorematching.curvature.hessian_products import Products
from scorematching.curvature.probes import Distribution, check_probes, draw, probes_for, unbiased_square
from scorematching.losses.reduction import Reduction, check_reduction, reduced
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.validation import check_data, check_uncompiled, full_precision, warn_if_infinite


def sliced_score_matching_loss(
    energy: nn.Module,
    x: Tensor,
    *,
    lam: float = 0.0,
    probes: int | None = None,
    distribution: Distribution = "rademacher",
    generator: torch.Generator | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return the sliced score matching loss (Song et al. 2019), for any module that returns energies.

    The loss is ``1/2 (v·d)^2 - v·(H v)``, averaged over random directions ``v``. Its expectation is the loss of
    :func:`score_matching_loss`. Prefer :func:`score_matching_loss` with ``curvature="hutchinson"``: this is the
    variance-reduced form, which uses ``d`` itself.

    Args:
        energy: The model.
        x: Data, shape (N, ...).
        lam: Weight of the regularizer, as in :func:`score_matching_loss`. Its squares are products of estimates from
            independent directions, so they are unbiased.
        probes: Number of directions per sample. By default 1, or 2 for ``lam`` above 0.
        distribution: ``"rademacher"`` or ``"gaussian"``.
        generator: Random number generator of the directions. By default that of PyTorch.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        TypeError: ``energy`` is not a module, or ``x`` is not of floating point.
        ValueError: A shape does not fit, ``x`` is not finite, or an option is unknown.

    Example:
        >>> energy = nn.Sequential(nn.Linear(4, 8), nn.Softplus(), nn.Linear(8, 1))
        >>> sliced_score_matching_loss(energy, torch.randn(16, 4)).shape
        torch.Size([])
    """
    check_reduction(reduction)
    lam = check_positive("lam", lam, zero=True)
    check_probes(probes)
    check_arguments(sliced_score_matching_loss, locals())
    check_data(check_uncompiled(energy), x, finite=True)
    with full_precision(x):
        products = Products(energy, x)
        slopes, curved = [], []
        for _ in range(probes_for(probes, lam > 0)):
            v = draw(x, distribution, generator)
            slopes.append((v * products.d).flatten(1).sum(1))
            curved.append((v * products.hessian_times(v)).flatten(1))
        each = torch.stack(curved)
        losses = 0.5 * torch.stack(slopes).square().mean(0) - each.mean(0).sum(1)
        if lam:
            losses = losses + lam * unbiased_square(each).sum(1)
    return warn_if_infinite(reduced(losses, reduction))
