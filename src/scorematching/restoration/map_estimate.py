"""Maximum a posteriori restoration: a local minimum of ``|A x - y|^2 / (2 sigma^2) + E(x)``, by L-BFGS."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.restoration.convergence import Watch
from scorematching.restoration.operators import LinearOperator
from scorematching.runtime.progress import ProgressCallback

#: The iteration ends if no pixel changes by more than this, with white at 1.
_SMALLEST_STEP = 1e-5
#: Default maximum number of iterations.
ITERATIONS = 30


def maximum_a_posteriori(
    observed: Tensor,
    operator: LinearOperator,
    sigma: float,
    prior: Prior,
    start: Tensor,
    steps: int = ITERATIONS,
    progress: ProgressCallback | None = None,
) -> Tensor:
    """Return a local maximum of the posterior near ``start``, given an observation with Gaussian noise.

    The result is never less probable than ``start``.

    Args:
        observed: ``y``, planes of one image, (C, 1, H', W'), with white at 1.
        operator: ``A``, with its adjoint.
        sigma: Standard deviation of the noise in ``y``, with white at 1.
        prior: ``E``.
        start: First guess of ``x``, planes (C, 1, H, W).
        steps: Maximum number of iterations of L-BFGS. It ends earlier when no pixel changes any more.
        progress: Called after each iteration with ``misfit`` and ``change``.

    Returns:
        ``x``, planes (C, 1, H, W).
    """
    x = start.clone(memory_format=torch.contiguous_format).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [x],
        max_iter=steps,
        max_eval=2 * steps,
        history_size=8,
        tolerance_change=_SMALLEST_STEP,
        line_search_fn="strong_wolfe",
    )
    best, kept = math.inf, start
    watch, done, before = Watch(observed, operator, sigma, progress), 0, start

    def objective() -> float:
        nonlocal best, kept, done, before
        value, x.grad = posterior_energy(x.detach(), observed, operator, sigma, prior)
        if value < best:
            best, kept = value, x.detach().clone()
        if (iteration := optimizer.state[x].get("n_iter", 0)) > done:  # an iteration may take several evaluations
            watch.report(iteration, steps, before, kept)
            done, before = iteration, kept
        return value

    optimizer.step(objective)
    watch.report(steps, steps, before, kept)
    return kept


@torch.no_grad()
def posterior_energy(
    x: Tensor, observed: Tensor, operator: LinearOperator, sigma: float, prior: Prior, noise: Tensor | float = 0.0
) -> tuple[float, Tensor]:
    """Return ``|A x - y|^2 / (2 sigma^2) + E(x + noise)`` of all planes, and its gradient with respect to ``x``."""
    rest = operator(x) - observed
    energies, gradient = prior.energy_and_gradient(prior.arrange(x + noise))
    value = float((0.5 / sigma**2) * rest.double().square().sum() + energies.double().sum())
    return value, operator.adjoint(rest) / sigma**2 + prior.arrange(gradient)
