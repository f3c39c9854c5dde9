"""Chains of samples: Langevin dynamics and Hamiltonian Monte Carlo, which share all but the length of a move."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from scorematching.domains import DomainChoice, domain_named
from scorematching.runtime.arguments import check_count, check_flag, check_positive
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import Progress, ProgressCallback
from scorematching.sampling.adaptation import DualAveraging
from scorematching.sampling.diagnostics import SamplingWarning
from scorematching.sampling.dynamics import Dynamics
from scorematching.sampling.spaces import Projection, space_of
from scorematching.sampling.targets import Energies, EnergyWithGradient, Target, evaluator
from scorematching.sampling.tempering import Ladder

#: Acceptance that the step size is adapted to: the optimum of one leapfrog step, and of many.
_LANGEVIN, _HMC = 0.574, 0.8
#: Mean acceptance below which chains hardly move.
_STUCK = 0.02
#: Number of steps in which each chain should move, and the fraction of the chains that may not.
_MANY, _STILL = 100, 0.005


@dataclass(frozen=True, eq=False)
class Samples:
    """Chains of :func:`langevin` or :func:`hmc`.

    Attributes:
        x: Last state of each chain, with the shape of ``start``.
        acceptance: Fraction of accepted moves of each chain, shape (N,). It is 1 without ``metropolis``.
        step_size: Step size of the moves after the warm-up, in the unit of the argument.
        draws: States that were kept, shape (draws, N, ...); ``None`` without ``keep``.
        exchanged: Fraction of accepted exchanges between each temperature and the next, shape (K - 1,).
    """

    x: Tensor
    acceptance: Tensor
    step_size: float
    draws: Tensor | None
    exchanged: Tensor


def langevin(
    target: Target,
    start: Tensor,
    *,
    steps: int,
    step_size: float,
    metropolis: bool = False,
    warmup: int = 0,
    keep: int | None = None,
    temperatures: Sequence[float] = (1.0,),
    domain: DomainChoice = None,
    project: Projection | None = None,
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
        steps: Number of steps after the warm-up, 0 or more.
        step_size: ``eps``, the variance of the noise in one step. Unit: the square of the unit of ``x``.
        metropolis: Whether to accept or reject each move. This needs an energy.
        warmup: Number of steps before, in which the step size is adapted, from ``step_size``, to a mean acceptance of
            0.574. Take some hundred. This needs ``metropolis``.
        keep: Keep every ``keep``-th state after the warm-up, as ``draws``. By default only the last state is kept.
        temperatures: Ladder of temperatures for parallel tempering, which starts at 1 and increases. At each ``T``,
            further N chains sample ``p^(1/T)``, and neighbors exchange their states. So the chains move between modes.
            Only chains at ``T = 1`` are returned. ``p^(1/T)`` must be a density too. This needs ``metropolis``.
        domain: Set that the data lie in, as in :func:`scorematching.score_matching_loss`. Moves to the outside are
            rejected, so a domain with a boundary needs ``metropolis``. On a sphere, the moves are along great circles,
            and ``p`` is a density with respect to the area. Angles are returned in [-pi, pi).
        project: Orthogonal projection onto a linear subspace, applied to the noise and the score. The chains then
            sample ``p`` restricted to the parallel subspace through ``start``. For images use :func:`without_mean`,
            which keeps the mean of each sample: the energy hardly depends on the brightness.
        generator: Random number generator. By default that of PyTorch.
        progress: Called after each step.

    Warns:
        SamplingWarning: Almost no moves are accepted, or none of a chain, or no exchanges between two temperatures.

    Raises:
        TypeError: ``target`` is no energy and no score, it is a score and ``metropolis`` is True, or ``start`` is not
            floating point.
        ValueError: A shape does not fit, ``start`` is not finite or outside of the domain, a number is out of its
            range, an option needs ``metropolis``, or a chain diverges.

    Example:
        >>> import scorematching as sm
        >>> gaussian = sm.Sequential(sm.layers.Square(), sm.Sum(0.5))
        >>> start, generator = torch.zeros(10_000, 3), torch.Generator().manual_seed(0)
        >>> samples = langevin(gaussian, start, steps=40, step_size=0.5, metropolis=True, generator=generator)
        >>> bool((samples.x.var(0) - 1).abs().max() < 0.05), round(float(samples.acceptance.mean()), 1)
        (True, 0.9)
    """
    check_flag("metropolis", metropolis)
    eps = check_positive("step_size", step_size)
    check_arguments(langevin, locals())
    chains = _Chains(target, start, 1, metropolis, temperatures, domain, project, generator)
    found = chains.run(steps, warmup, keep, math.sqrt(eps), _LANGEVIN, progress)
    return replace(found, step_size=found.step_size**2 if warmup else eps)


def hmc(
    target: nn.Module | EnergyWithGradient,
    start: Tensor,
    *,
    steps: int,
    step_size: float,
    leapfrog_steps: int = 10,
    warmup: int = 0,
    keep: int | None = None,
    temperatures: Sequence[float] = (1.0,),
    domain: DomainChoice = None,
    project: Projection | None = None,
    generator: torch.Generator | None = None,
    progress: ProgressCallback | None = None,
) -> Samples:
    """Draw samples by Hamiltonian Monte Carlo (Neal 2011).

    Each move follows Hamiltonian dynamics for several leapfrog steps, from a random momentum, and is accepted or
    rejected so that the limit is exactly ``p``. Moves are longer than those of :func:`langevin`, so fewer are needed,
    above all in many dimensions. The mass is 1: scale data whose entries have very different units.

    Args:
        target: The energy, as in :func:`langevin`.
        start: Initial state of the chains, shape (N, ...).
        steps: Number of moves after the warm-up, 0 or more.
        step_size: Length of a leapfrog step, in the unit of ``x``.
        leapfrog_steps: Largest number of leapfrog steps in a move, 1 or more. The number is random, from 1 to this one.
        warmup: Number of moves before, as in :func:`langevin`. Here the mean acceptance becomes 0.8.
        keep: As in :func:`langevin`.
        temperatures: As in :func:`langevin`.
        domain: As in :func:`langevin`.
        project: As in :func:`langevin`, applied to the momentum.
        generator: Random number generator. By default that of PyTorch.
        progress: Called after each move.

    Warns:
        SamplingWarning: Almost no moves are accepted, or none of a chain, or no exchanges between two temperatures.

    Raises:
        TypeError: ``target`` is not an energy, or ``start`` is not floating point.
        ValueError: A shape does not fit, ``start`` is not finite or outside of the domain, or a number is out of its
            range.

    Example:
        >>> import scorematching as sm
        >>> exponential = sm.Sequential(sm.layers.Scale(1), sm.Sum(3.0))  # rate 3
        >>> start, options = torch.full((1000, 1), 0.3), {"generator": torch.Generator().manual_seed(0)}
        >>> samples = hmc(
        ...     exponential, start, steps=100, step_size=0.1, warmup=100, keep=5, domain="positive", **options
        ... )
        >>> samples.draws.shape, bool((samples.draws.mean() - 1 / 3).abs() < 0.02)
        (torch.Size([20, 1000, 1]), True)
    """
    check_count("leapfrog_steps", leapfrog_steps)
    check_arguments(hmc, {name: value for name, value in locals().items() if name != "target"})
    chains = _Chains(target, start, leapfrog_steps, True, temperatures, domain, project, generator)
    return chains.run(steps, warmup, keep, check_positive("step_size", step_size), _HMC, progress)


class _Chains:
    """Chains with checked arguments, ready to move."""

    def __init__(
        self,
        target: Target,
        start: Tensor,
        leapfrog_steps: int,
        metropolis: bool,
        temperatures: Sequence[float],
        domain: DomainChoice,
        project: Projection | None,
        generator: torch.Generator | None,
    ) -> None:
        if not isinstance(start, Tensor):
            raise TypeError(f"start must be a torch tensor, got {type(start).__name__}: pass torch.as_tensor(start)")
        evaluate = evaluator(target, start, score_allowed=not metropolis)
        bounds = domain_named(domain)
        space = space_of(bounds, project)
        self.ladder = Ladder(temperatures, len(start), start.device, generator)
        if not metropolis and len(self.ladder.temperatures) > 1:
            raise ValueError("temperatures need metropolis=True: chains exchange their states by their energies")
        if not metropolis and space.bounded:
            raise ValueError(f"the domain {bounds} has a boundary, which needs metropolis=True: moves may end outside")
        if bounds is not None:
            bounds.check(Energies(evaluate), start.detach())
        self.dynamics = Dynamics(evaluate, space, leapfrog_steps, metropolis, generator)
        self.start = space.settle(start.detach().clone())

    def run(
        self,
        steps: int,
        warmup: int,
        keep: int | None,
        step_size: float,
        target_acceptance: float,
        progress: ProgressCallback | None,
    ) -> Samples:
        """Move the chains, for the warm-up and the steps after it."""
        total = check_count("steps", steps, least=0) + check_count("warmup", warmup, least=0)
        if warmup and not self.dynamics.metropolis:
            raise ValueError("warmup needs metropolis=True: the step size is adapted to the acceptance of the moves")
        every = steps + 1 if keep is None else check_count("keep", keep, most=max(steps, 1))
        ladder, start, n = self.ladder, self.start, len(self.start)
        state = self.dynamics.state_at(start.repeat(len(ladder.temperatures), *[1] * (start.ndim - 1)))
        if not bool(torch.isfinite(state.energy).all()):
            raise ValueError("the energy of start is not finite: start where the density is above 0")
        draws, accepted = start.new_empty(steps // every, *start.shape), start.new_zeros(n)
        adaptation = DualAveraging(step_size * ladder.temperatures.sqrt(), target_acceptance)
        h, inverse = adaptation.current, ladder.of_chains(1 / ladder.temperatures)
        for step in range(1 - warmup, steps + 1):  # the warm-up ends with step 0
            state, moved, probability = self.dynamics.move(state, ladder.of_chains(h), inverse)
            state = ladder.exchange(state, step)
            if step <= 0:
                adaptation.update(ladder.means(probability))
                h = adaptation.current if step < 0 else adaptation.averaged
            else:
                accepted += moved[:n]
                if step % every == 0:
                    draws[step // every - 1] = state.x[:n]
            if not math.isfinite(state.x.sum() + state.energy.sum()):
                raise ValueError(
                    f"a chain diverged to infinity by step {warmup + step}: take a smaller step_size, or see whether "
                    "the energy is bounded below"
                )
            if progress is not None:
                progress(Progress(warmup + step, total))
        acceptance = accepted / max(steps, 1)
        found = Samples(state.x[:n], acceptance, float(h[0]), None if keep is None else draws, ladder.exchanged)
        if steps:
            _warn(found, steps)
        return found


def _warn(samples: Samples, steps: int) -> None:
    """Warn if chains hardly moved, or some never, or two temperatures exchanged nothing."""
    if samples.acceptance.mean() < _STUCK:
        warnings.warn(
            f"only {float(samples.acceptance.mean()):.1%} of the moves were accepted: take a smaller step_size, or a "
            "warmup",
            SamplingWarning,
            stacklevel=4,
        )
    elif steps >= _MANY and (still := int((samples.acceptance == 0).sum())) > _STILL * len(samples.x):
        warnings.warn(
            f"{still} of {len(samples.x)} chains have not moved in {steps} steps, so they keep their start: start away "
            "from places of very steep density, or take a smaller step_size, or more steps",
            SamplingWarning,
            stacklevel=4,
        )
    if bool((samples.exchanged == 0).any()):
        first = int((samples.exchanged == 0).nonzero()[0, 0])
        warnings.warn(
            f"temperatures[{first}] exchanged nothing with the next one: put temperatures between them, or take more "
            "steps",
            SamplingWarning,
            stacklevel=4,
        )
