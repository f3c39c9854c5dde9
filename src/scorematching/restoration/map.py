"""Maximum a posteriori restoration: ``argmin_x |A x - y|^2 / (2 sigma^2) + E(x)``, by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scorematching.prior import Prior
from scorematching.restoration.operators import LinearOperator


def maximum_a_posteriori(
    observed: Tensor,
    operator: LinearOperator,
    sigma: float,
    prior: Prior,
    start: Tensor,
    steps: int = 30,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """The most probable pictures behind observations with Gaussian noise; never less probable than ``start``.

    Args:
        observed: ``y``, planes (N, 1, H', W'), white at 1.
        operator: ``A``, with its adjoint.
        sigma: Standard deviation of the noise in ``y``, white being 1.
        prior: ``E``.
        start: First guess of ``x``, planes (N, 1, H, W).
        steps: Iterations of L-BFGS at most; it stops where nothing changes any more.
        progress: Called with the iterations done and ``steps``.

    Returns:
        ``x``, planes (N, 1, H, W).
    """
    precision = 1 / sigma**2
    x = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [x], max_iter=1, history_size=10, line_search_fn="strong_wolfe", tolerance_change=1e-9
    )

    def objective() -> float:
        with torch.no_grad():
            rest = operator(x) - observed
            energies, gradient = prior.energy_and_gradient(x)
            x.grad = precision * operator.adjoint(rest) + gradient
            return float(0.5 * precision * rest.square().sum() + energies.sum())

    best, kept = float("inf"), start
    for step in range(steps):
        value = float(optimizer.step(objective))  # the value before this iteration
        if not value < best * (1 + 1e-7):
            break
        best, kept = value, x.detach().clone()
        if progress is not None:
            progress(step + 1, steps)
    return kept if objective() > best else x.detach()
