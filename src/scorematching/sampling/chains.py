"""Samples of an energy or a score, drawn by Langevin dynamics."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from scorematching.curvature.derivatives import score
from scorematching.curvature.probes import draw
from scorematching.runtime.arguments import check_count, check_positive
from scorematching.runtime.progress import Progress, ProgressCallback
from scorematching.runtime.validation import check_data, energies


@runtime_checkable
class EnergyWithGradient(Protocol):
    """Target that computes its energy and its gradient together."""

    def energy_and_gradient(self, x: Tensor, /) -> tuple[Tensor, Tensor]:
        """Return the energies, shape (N,), and their gradient with respect to ``x``, with the shape of ``x``."""


class Samples(NamedTuple):
    """Final state of the chains of :func:`langevin`.

    Attributes:
        x: Sample of each chain, with the shape of ``start``.
        acceptance: Fraction of accepted moves of each chain, shape (N,). It is 1 without ``metropolis``.
    """

    x: Tensor
    acceptance: Tensor


class _State(NamedTuple):
    """State of all chains: positions, energies (zeros if they are not needed) and scores."""

    x: Tensor
    energy: Tensor
    score: Tensor


def langevin(
    target: nn.Module | EnergyWithGradient | Callable[[Tensor], Tensor],
    start: Tensor,
    *,
    steps: int,
    step_size: float,
    metropolis: bool = False,
    project: Callable[[Tensor], Tensor] | None = None,
    generator: torch.Generator | None = None,
    progress: ProgressCallback | None = None,
) -> Samples:
    """Draw samples by Langevin dynamics, ``x <- x + (eps / 2) grad log p(x) + sqrt(eps) n`` with normal noise ``n``.

    Each sample of ``start`` is a chain of its own. Without ``metropolis``, the distribution of the chains tends to
    ``p`` with an error of order ``eps``. With ``metropolis``, moves are accepted with a probability that makes the
    limit exactly ``p``, up to the rounding of the energies (MALA, Roberts & Tweedie 1996). An acceptance of about 0.6
    is efficient. A smaller ``eps`` raises the acceptance.

    An energy that was fitted to noisy images may not be bounded below. Start its chains near images with noise of the
    same level, take few steps, and look at the result.

    Args:
        target: The energy: a module, or an object with a method ``energy_and_gradient``. Any other callable is a score:
            it maps data to a tensor of the same shape.
        start: Initial state of the chains, shape (N, ...).
        steps: Number of steps, 0 or more.
        step_size: ``eps``, the variance of the noise in one step. Unit: the square of the unit of ``x``.
        metropolis: Whether to accept or reject each move. This needs an energy.
        project: Orthogonal projection onto a linear subspace, applied to the noise and the score. The chains then
            sample ``p`` restricted to the parallel subspace through ``start``. For images use :func:`without_mean`,
            which keeps the mean of each sample: the energy hardly depends on the brightness.
        generator: Random number generator. By default that of PyTorch.
        progress: Called after each step.

    Raises:
        TypeError: ``target`` is no energy and no score, it is a score and ``metropolis`` is True, or ``start`` is not
            floating point.
        ValueError: A shape does not fit, ``start`` is not finite, a number is out of its range, or a chain diverges.

    Example:
        >>> import scorematching as sm
        >>> gaussian = sm.Sequential(sm.layers.Square(), sm.Sum(0.5))
        >>> start, generator = torch.zeros(10_000, 3), torch.Generator().manual_seed(0)
        >>> x, acceptance = langevin(gaussian, start, steps=40, step_size=0.5, metropolis=True, generator=generator)
        >>> bool((x.var(0) - 1).abs().max() < 0.05), round(float(acceptance.mean()), 1)
        (True, 0.9)
    """
    check_count("steps", steps, least=0)
    eps = check_positive("step_size", step_size)
    evaluate = _evaluator(target, start, metropolis)
    projected = project if project is not None else _unchanged

    def state_at(x: Tensor) -> _State:
        energy, score = evaluate(x)
        return _State(x, energy, projected(score))

    state, accepted = state_at(start.detach().clone()), start.new_zeros(len(start))
    for step in range(1, steps + 1):
        noise = projected(draw(start, "gaussian", generator))
        proposal = state_at(state.x + 0.5 * eps * state.score + math.sqrt(eps) * noise)
        log_chance = _log_acceptance(state, proposal, noise, eps) if metropolis else torch.zeros_like(state.energy)
        moves = _uniform(log_chance, generator).log() < log_chance  # False where it is NaN
        state = _State(*(torch.where(_beside(moves, new), new, old) for new, old in zip(proposal, state, strict=True)))
        accepted += moves
        if not math.isfinite(state.x.sum()):
            raise ValueError(f"a chain diverged to infinity by step {step}: take a step_size below {eps:g}")
        if progress is not None:
            progress(Progress(step, steps))
    return Samples(state.x, accepted / max(steps, 1))


def without_mean(x: Tensor) -> Tensor:
    """Subtract the mean of each sample: an orthogonal projection, for ``project`` of :func:`langevin`.

    Example:
        >>> without_mean(torch.tensor([[1.0, 3.0]])).tolist()
        [[-1.0, 1.0]]
    """
    return x - x.mean(tuple(range(1, x.ndim)), keepdim=True)


def _evaluator(
    target: nn.Module | EnergyWithGradient | Callable[[Tensor], Tensor], start: Tensor, metropolis: bool
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Return a function of ``x`` that computes energies (zeros if not needed) and scores; raise for invalid input."""
    with_gradient = isinstance(target, EnergyWithGradient)
    if not callable(target) and not with_gradient:
        raise TypeError(f"target must be an energy or a score, got {type(target).__name__}")
    check_data(target if isinstance(target, nn.Module) else nn.Module(), start, finite=True)
    if metropolis and not isinstance(target, nn.Module) and not with_gradient:
        raise TypeError("metropolis=True needs an energy, which a score does not provide: pass the energy itself")

    def evaluate(x: Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(target, EnergyWithGradient):
            energy, gradient = target.energy_and_gradient(x)
            return energy.double(), -gradient
        none = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        if isinstance(target, nn.Module):
            with torch.no_grad():
                energy = energies(target, x).double() if metropolis else none
                return energy, score(target, x, check_finite=False)
        found = target(x).detach()
        if found.shape != x.shape:
            raise ValueError(f"a score must have the shape of its data, {tuple(x.shape)}, got {tuple(found.shape)}")
        return none, found

    return evaluate


def _log_acceptance(here: _State, there: _State, noise: Tensor, eps: float) -> Tensor:
    """Return the logarithm of the acceptance ratio of the moves with this noise, shape (N,).

    A move with a ratio above 1 is always accepted. The reverse move needs the noise ``-(n + r)``, where ``r`` is
    ``sqrt(eps) / 2`` times the sum of both scores. So the log densities of the two moves differ by
    ``(|n|^2 - |n + r|^2) / 2 = -<r, n + r / 2>``.
    """
    r = 0.5 * math.sqrt(eps) * (here.score + there.score)
    back = -(r * (noise + 0.5 * r)).flatten(1).sum(1, dtype=torch.float64)
    return here.energy - there.energy + back


def _unchanged(x: Tensor) -> Tensor:
    return x


def _uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw uniform random numbers between 0 and 1, with the shape of ``like``."""
    device = like.device if generator is None else generator.device
    return torch.rand(like.shape, generator=generator, dtype=like.dtype, device=device).to(like.device)


def _beside(values: Tensor, tensor: Tensor) -> Tensor:
    """View ``values``, shape (N,), so that they broadcast along dimension 0 of ``tensor``."""
    return values.view(-1, *[1] * (tensor.ndim - 1))
