"""One move of all chains: leapfrog steps of Hamiltonian dynamics, and the correction of Metropolis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from scorematching.curvature.probes import draw
from scorematching.sampling.spaces import Space
from scorematching.sampling.targets import Evaluator


class State(NamedTuple):
    """State of all chains: positions, energies, shape (N,), and scores."""

    x: Tensor
    energy: Tensor
    score: Tensor


class Move(NamedTuple):
    """Result of a move: the new state, and for each chain whether it moved and with which probability, shape (N,)."""

    state: State
    accepted: Tensor
    probability: Tensor


@dataclass(frozen=True)
class Dynamics:
    """Hamiltonian dynamics with the energy as potential, and a unit mass.

    Langevin dynamics is the case of one leapfrog step, of length ``sqrt(eps)``::

        p ~ N(0, 1)      p <- p + h/2 grad log p(x)      x <- x + h p      p <- p + h/2 grad log p(x)

    Attributes:
        evaluate: Function that evaluates the energy.
        space: Space that the chains move in.
        leapfrog_steps: Largest number of leapfrog steps. The number is random, from 1, so that no orbit is periodic.
        metropolis: Whether to accept or reject each move. Without it, energies are not computed.
        generator: Random number generator.
    """

    evaluate: Evaluator
    space: Space
    leapfrog_steps: int
    metropolis: bool
    generator: torch.Generator | None

    def state_at(self, x: Tensor) -> State:
        """Return the state of chains at positions, shape (N, ...)."""
        return State(x, *self.evaluate(x, self.metropolis))

    def move(self, state: State, step_size: Tensor, inverse_temperature: Tensor) -> Move:
        """Move all chains once.

        Args:
            state: State of the chains.
            step_size: Length of a leapfrog step of each chain, shape (N,), in the unit of ``x``.
            inverse_temperature: Factor of the energy of each chain, shape (N,).
        """
        momentum = self.space.tangent(state.x, draw(state.x, "gaussian", self.generator))
        h, force = beside(step_size, state.x), beside(0.5 * step_size * inverse_temperature, state.x)
        x, p, score, energy = state.x, momentum, state.score, state.energy
        count = self._leapfrog_steps(state.x.device)
        for number in range(1, count + 1):
            x, p = self.space.flow(x, self.space.tangent(x, p + force * score), h)
            energy, score = self.evaluate(x, self.metropolis and number == count)
            p = self.space.tangent(x, p + force * score)
        if not self.metropolis:
            always = torch.ones_like(energy)
            return Move(State(x, energy, score), always, always)
        kinetic = ((momentum - p) * (0.5 * (momentum + p))).flatten(1).sum(1, dtype=torch.float64)
        log_ratio = inverse_temperature * (state.energy - energy) + kinetic
        log_ratio = log_ratio.masked_fill(self.space.outside(x), -math.inf)
        accepted = uniform(log_ratio, self.generator).log() < log_ratio  # False where it is NaN
        new = State(*(torch.where(beside(accepted, n), n, o) for n, o in zip((x, energy, score), state, strict=True)))
        return Move(new, accepted, log_ratio.clamp(max=0).exp().nan_to_num(0))

    def _leapfrog_steps(self, device: torch.device) -> int:
        if self.leapfrog_steps == 1:
            return 1
        device = device if self.generator is None else self.generator.device
        return int(torch.randint(1, self.leapfrog_steps + 1, (), generator=self.generator, device=device))


def uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw uniform random numbers between 0 and 1, with the shape of ``like``."""
    device = like.device if generator is None else generator.device
    return torch.rand(like.shape, generator=generator, dtype=like.dtype, device=device).to(like.device)


def beside(values: Tensor, tensor: Tensor) -> Tensor:
    """View ``values``, shape (N,), so that they broadcast along dimension 0 of ``tensor``, with its type if real."""
    values = values if values.dtype == torch.bool else values.to(tensor.dtype)
    return values.view(-1, *[1] * (tensor.ndim - 1))
