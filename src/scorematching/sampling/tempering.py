"""Parallel tempering: chains at several temperatures exchange their states (Geyer 1991)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from scorematching.runtime.arguments import check_positive
from scorematching.sampling.dynamics import State, uniform


class Ladder:
    """Ladder of temperatures, with N chains at each. Chains of a temperature ``T`` sample ``p^(1/T)``.

    The states of all chains are stacked along dimension 0, those of the first temperature first.

    Args:
        temperatures: Temperatures: the first is 1, and each is above the one before.
        chains: Number N of chains at each.
        device: Device of the chains.
        generator: Random number generator.

    Raises:
        ValueError: The temperatures do not start at 1, or do not increase.
    """

    def __init__(
        self, temperatures: Sequence[float], chains: int, device: torch.device, generator: torch.Generator | None
    ) -> None:
        values = [check_positive("temperatures", value) for value in temperatures]
        if not values or values[0] != 1 or any(low >= high for low, high in pairwise(values)):
            raise ValueError(f"temperatures must start at 1 and increase, got {list(temperatures)}")
        self.temperatures = torch.tensor(values, dtype=torch.float64, device=device)
        self.chains, self._generator = chains, generator
        self._tried = torch.zeros(len(values) - 1, dtype=torch.float64, device=device)
        self._done = torch.zeros_like(self._tried)

    def of_chains(self, values: Tensor) -> Tensor:
        """Return values of the temperatures, shape (K,), for each chain, shape (K N,)."""
        return values.repeat_interleave(self.chains)

    def means(self, values: Tensor) -> Tensor:
        """Return the means of values of the chains, shape (K N,), at each temperature, shape (K,)."""
        return values.view(-1, self.chains).mean(1)

    def exchange(self, state: State, step: int) -> State:
        """Return the state after exchanges between every other pair of neighbors: even pairs in even steps.

        Chains of equal rank at two temperatures exchange their states with probability
        ``exp((1/T - 1/T') (E - E'))``, at most 1. This leaves the distribution of all chains as it is.
        """
        lower = torch.arange(len(self._tried), device=state.x.device)[step % 2 :: 2]
        if len(lower) == 0:
            return state
        energy, cold = state.energy.view(-1, self.chains), 1 / self.temperatures
        log_ratio = (cold[lower] - cold[lower + 1])[:, None] * (energy[lower] - energy[lower + 1])
        exchanged = uniform(log_ratio, self._generator).log() < log_ratio
        source = torch.arange(len(state.energy), device=state.x.device).view_as(energy)
        shift = self.chains * exchanged
        source[lower] += shift
        source[lower + 1] -= shift
        self._tried[lower] += 1
        self._done[lower] += exchanged.double().mean(1)
        return State(*(part[source.flatten()] for part in state))

    @property
    def exchanged(self) -> Tensor:
        """Fraction of the tried exchanges between neighbors that were accepted, shape (K - 1,); NaN without a try."""
        return self._done / self._tried
