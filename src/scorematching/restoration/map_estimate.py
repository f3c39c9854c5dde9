"""Maximum a posteriori restoration: a minimum of ``|A x - y|^2 / (2 sigma^2) + E(x)``, by L-BFGS."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.restoration.convergence import Monitor, Watch
from scorematching.restoration.operators import LinearOperator

#: Of white: an iteration that changes no pixel by more is the last.
_SMALLEST_STEP = 1e-5
#: Iterations at most, where nothing is said.
ITERATIONS = 30


def maximum_a_posteriori(
    observed: Tensor,
    operator: LinearOperator,
    sigma: float,
    prior: Prior,
    start: Tensor,
    steps: int = ITERATIONS,
    monitor: Monitor | None = None,
) -> Tensor:
    """The most probable image near ``start`` behind an observation with Gaussian noise; never less so than ``start``.

    Args:
        observed: ``y``, planes of one image, (C, 1, H', W'), white at 1.
        operator: ``A``, with its adjoint.
        sigma: Standard deviation of the noise in ``y``, white being 1.
        prior: ``E``.
        start: First guess of ``x``, planes (C, 1, H, W).
        steps: Iterations of L-BFGS at most; it stops where nothing changes any more.
        monitor: Told of each iteration.

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
    watch, done, before = Watch(observed, operator, sigma, monitor), 0, start

    def objective() -> float:
        nonlocal best, kept, done, before
        value, x.grad = posterior_energy(x.detach(), observed, operator, sigma, prior)
        if value < best:
            best, kept = value, x.detach().clone()
        if (iteration := optimizer.state[x].get("n_iter", 0)) > done:  # several evaluations may make one
            watch.tell(iteration, steps, before, kept)
            done, before = iteration, kept
        return value

    optimizer.step(objective)
    watch.tell(steps, steps, before, kept)
    return kept


@torch.no_grad()
def posterior_energy(
    x: Tensor, observed: Tensor, operator: LinearOperator, sigma: float, prior: Prior, noise: Tensor | float = 0.0
) -> tuple[float, Tensor]:
    """``|A x - y|^2 / (2 sigma^2) + E(x + noise)`` of all planes, and its gradient; arguments as above."""
    rest = operator(x) - observed
    energies, gradient = prior.energy_and_gradient(prior.seen(x + noise))
    value = float((0.5 / sigma**2) * rest.double().square().sum() + energies.double().sum())
    return value, operator.adjoint(rest) / sigma**2 + prior.seen(gradient)
