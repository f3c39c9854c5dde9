"""Samples of an energy, or of a score, by Langevin dynamics."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from scorematching.curvature.derivatives import score
from scorematching.curvature.probes import draw
from scorematching.priors.base import Prior
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.progress import Progress, ProgressCallback
from scorematching.runtime.validation import check_data, energies


class Samples(NamedTuple):
    """Where :func:`langevin` has come to.

    Attributes:
        x: The state of each chain after the last step, shape of ``start``.
        acceptance: The share of its moves that each chain made, (N,); 1 without ``metropolis``.
    """

    x: Tensor
    acceptance: Tensor


class _State(NamedTuple):
    """Of all chains: where they are, the energy there (zeros where nobody asks for it), and the score."""

    x: Tensor
    energy: Tensor
    score: Tensor


def langevin(
    target: nn.Module | Callable[[Tensor], Tensor],
    start: Tensor,
    *,
    steps: int,
    step_size: float,
    metropolis: bool = False,
    generator: torch.Generator | None = None,
    progress: ProgressCallback | None = None,
) -> Samples:
    """Draw samples by Langevin dynamics, ``x <- x + (eps / 2) grad log p(x) + sqrt(eps) n``, ``n`` being normal.

    Every sample of ``start`` is a chain of its own. Without ``metropolis`` their distribution tends to ``p`` up to an
    error of the order of ``eps``. With it a move is made or not, with the chance that makes the limit exactly ``p``, up
    to the rounding of the energies (MALA, Roberts & Tweedie 1996). Some 0.6 of the moves should be made: take a
    smaller ``eps`` for more of them.

    Of a :class:`scorematching.Prior` images are sampled, by ``energy_and_gradient``, each with the mean that it has:
    brightness bears little energy or none. An energy of noisy images need not be bounded below; so start near such
    images, with noise of ``prior.level``, take so many steps and no more, and look at what comes.

    Args:
        target: An energy or a prior: any module counts as one. What else can be called is a score, of data to their
            own shape.
        start: Where the chains begin, shape (N, ...); of a prior images, (N, C, H, W), white at 1.
        steps: How many, 0 or more.
        step_size: ``eps``, the variance of the noise in one step, in units of ``x`` squared.
        metropolis: Whether to correct the moves, which takes an energy.
        generator: What everything random is drawn with; torch's own if not given.
        progress: Called with the steps done and ``steps``.

    Raises:
        TypeError: ``target`` can't be called, is a score with ``metropolis``, or ``start`` is not of floating point.
        ValueError: A shape does not fit, ``start`` is not finite, a number is out of its range, or a chain has run off
            to infinity.

    Example:
        >>> import scorematching as sm
        >>> gaussian = sm.Sequential(sm.layers.Square(), sm.Sum(0.5))
        >>> start, generator = torch.zeros(10_000, 3), torch.Generator().manual_seed(0)
        >>> x, acceptance = langevin(gaussian, start, steps=40, step_size=0.5, metropolis=True, generator=generator)
        >>> bool((x.var(0) - 1).abs().max() < 0.05), round(float(acceptance.mean()), 1)
        (True, 0.9)
    """
    if not isinstance(steps, int) or steps < 0:
        raise ValueError(f"steps must be a whole number of 0 or more, got {steps!r}")
    eps = check_positive("step_size", step_size)
    evaluate = _evaluator(target, start, metropolis)
    state, accepted = evaluate(start.detach().clone()), start.new_zeros(len(start))
    for step in range(1, steps + 1):
        noise = draw(start, "gaussian", generator)
        if isinstance(target, Prior):
            noise = _without_mean(noise)
        there = evaluate(state.x + 0.5 * eps * state.score + math.sqrt(eps) * noise)
        chance = _log_chance(state, there, noise, eps) if metropolis else torch.zeros_like(state.energy)
        moves = _uniform(chance, generator).log() < chance  # never where it is NaN
        state = _State(*(torch.where(_beside(moves, new), new, old) for new, old in zip(there, state, strict=True)))
        accepted += moves
        if not math.isfinite(state.x.sum()):
            raise ValueError(f"a chain has run off to infinity by step {step}: take a step_size below {eps:g}")
        if progress is not None:
            progress(Progress(step, steps))
    return Samples(state.x, accepted / max(steps, 1))


def _evaluator(
    target: nn.Module | Callable[[Tensor], Tensor], start: Tensor, metropolis: bool
) -> Callable[[Tensor], _State]:
    """What gives the state of chains at any place; raises where target or start do not fit."""
    if not callable(target):
        raise TypeError(f"target must be an energy, a prior or a score, got {type(target).__name__}")
    check_data(target if isinstance(target, nn.Module) else nn.Module(), start, finite=True)
    if metropolis and not isinstance(target, nn.Module):
        raise TypeError("metropolis=True takes an energy, which a score alone does not give: pass the energy itself")

    def evaluate(x: Tensor) -> _State:
        none = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        if isinstance(target, Prior):
            energy, gradient = target.energy_and_gradient(x)
            return _State(x, energy.double(), -_without_mean(gradient))
        if isinstance(target, nn.Module):
            with torch.no_grad():
                energy = energies(target, x).double() if metropolis else none
            return _State(x, energy, score(target, x, check_finite=False))
        found = target(x).detach()
        if found.shape != x.shape:
            raise ValueError(f"a score must have the shape of its data, {tuple(x.shape)}, got {tuple(found.shape)}")
        return _State(x, none, found)

    return evaluate


def _log_chance(here: _State, there: _State, noise: Tensor, eps: float) -> Tensor:
    """Logarithm of the chance with which a move that was made with this noise is to stand, where below 0; (N,).

    The move back would take the noise ``-(n + r)`` with ``r = sqrt(eps) / 2`` times the sum of both scores. So the
    densities of the two moves differ by ``(|n|^2 - |n + r|^2) / 2 = -<r, n + r / 2>``, and that is where the dynamics
    alone are wrong.
    """
    r = 0.5 * math.sqrt(eps) * (here.score + there.score)
    back = -(r * (noise + 0.5 * r)).flatten(1).sum(1, dtype=torch.float64)
    return here.energy - there.energy + back


def _uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Numbers between 0 and 1 of the shape of a tensor."""
    device = like.device if generator is None else generator.device
    return torch.rand(like.shape, generator=generator, dtype=like.dtype, device=device).to(like.device)


def _without_mean(planes: Tensor) -> Tensor:
    """Planes, each with its mean taken away."""
    return planes - planes.mean((1, 2, 3), keepdim=True)


def _beside(values: Tensor, tensor: Tensor) -> Tensor:
    """View of ``values``, (N,), that broadcasts along dimension 0 of a tensor."""
    return values.view(-1, *[1] * (tensor.ndim - 1))
