"""Hamiltonian Monte Carlo, the adaptation of step sizes, and chains that are kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

import scorematching as sm
from scorematching.layers import Scale, Square
from scorematching.sampling import SamplingWarning

F64 = torch.float64
#: What is allowed, in standard errors.
ERRORS = 4.2


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(precisions: list[float]) -> sm.Graph:
    energy = sm.Sequential(Square(), Scale(len(precisions)), sm.Sum(0.5)).double()
    with torch.no_grad():
        energy.layers[1].weight.copy_(torch.tensor(precisions))
    return energy


def within_errors(draws: Tensor, truth: float) -> bool:
    """Return whether the mean over draws and chains is right, by the spread of the means of the chains."""
    means = draws.mean(0)
    return bool((means.mean(0) - truth).abs() < ERRORS * means.std(0) / len(means) ** 0.5)


@pytest.mark.parametrize("leapfrog_steps", [1, 7])
def test_a_gaussian_is_sampled_exactly_at_large_steps(leapfrog_steps: int) -> None:
    """The step is 1.5 of at most 2: the leapfrog alone would make the first variance 1 / (1 - 1.5^2 / 4) = 2.3."""
    start = torch.zeros(20_000, 2, dtype=F64)
    samples = sm.hmc(
        gaussian([1.0, 0.5]), start, steps=60, step_size=1.5, leapfrog_steps=leapfrog_steps, generator=generator()
    )
    for x, variance in zip(samples.x.T, (1.0, 2.0), strict=True):
        assert stats.kstest(x.numpy() / variance**0.5, "norm").pvalue > 1e-4
    assert 0.5 < samples.acceptance.mean() < 0.9


def test_one_leapfrog_step_is_a_langevin_step() -> None:
    start = torch.randn(5, 2, dtype=F64)
    energy, options = gaussian([1.0, 3.0]), {"steps": 20, "generator": generator()}
    one = sm.hmc(energy, start, step_size=0.5, leapfrog_steps=1, **options)
    two = sm.langevin(energy, start, step_size=0.25, metropolis=True, **options | {"generator": generator()})
    torch.testing.assert_close(one.x, two.x)
    torch.testing.assert_close(one.acceptance, two.acceptance)


SAMPLERS = {
    "Langevin": (sm.langevin, {"metropolis": True}, 0.574),
    "HMC": (sm.hmc, {"leapfrog_steps": 5}, 0.8),
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("step_size", [1e-3, 1e2])
def test_the_step_size_is_adapted_to_the_acceptance(name: str, step_size: float) -> None:
    """From steps that are far too short or too long."""
    sampler, options, expected = SAMPLERS[name]
    samples = sampler(
        gaussian([1.0, 4.0, 0.2, 1.0]),
        torch.zeros(200, 4, dtype=F64),
        steps=200,
        step_size=step_size,
        warmup=300,
        keep=2,
        generator=generator(),
        **options,
    )
    assert samples.acceptance.mean() == pytest.approx(expected, abs=0.05)
    assert 0.1 < samples.step_size < 3
    assert within_errors(samples.draws[..., 2].square(), 5.0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_nth_state_is_kept(name: str) -> None:
    sampler, options, _ = SAMPLERS[name]
    energy, start, seen = gaussian([1.0]), torch.zeros(3, 1, dtype=F64), []

    def sample(**more: Any) -> sm.sampling.Samples:
        return sampler(energy, start, step_size=0.5, warmup=4, generator=generator(1), **options | more)

    all_, some = sample(steps=10, keep=1), sample(steps=11, keep=3, progress=seen.append)
    assert all_.draws.shape == (10, 3, 1)
    assert torch.equal(all_.draws[-1], all_.x)
    assert torch.equal(some.draws, all_.draws[2::3])
    assert some.step_size == all_.step_size
    assert [(state.step, state.steps) for state in (seen[0], seen[-1])] == [(1, 15), (15, 15)]
    assert len(all_.draws.unique()) > 10
    assert torch.equal(sample(steps=10).x, all_.x)
    assert sample(steps=10).draws is None


def test_bad_input_is_named() -> None:
    energy, x = gaussian([1.0, 1.0]), torch.ones(2, 2, dtype=F64)
    with pytest.raises(ValueError, match="keep must be an integer from 1 to 5, got 6"):
        sm.hmc(energy, x, steps=5, step_size=1, keep=6)
    with pytest.raises(ValueError, match="leapfrog_steps must be an integer of 1 or more, got 0"):
        sm.hmc(energy, x, steps=5, step_size=1, leapfrog_steps=0)
    with pytest.raises(TypeError, match="to accept or reject moves needs an energy"):
        sm.hmc(lambda x: -x, x, steps=5, step_size=1)
    with pytest.raises(ValueError, match="warmup needs metropolis=True"):
        sm.langevin(energy, x, steps=5, step_size=1, warmup=5)
    with pytest.raises(ValueError, match="the energy of start is not finite"):
        sm.hmc(torch.nn.Sequential(energy, LogOfNegative()), x, steps=5, step_size=1)


class LogOfNegative(torch.nn.Module):
    """NaN where the energy is positive."""

    def forward(self, energy: Tensor) -> Tensor:
        """Energies, shape (N,)."""
        return (-energy).log()


def test_chains_that_hardly_move_are_told() -> None:
    with pytest.warns(sm.sampling.SamplingWarning, match=r"only 0.0% of the moves were accepted: take a smaller"):
        sm.hmc(gaussian([1.0]), torch.ones(2, 1, dtype=F64), steps=5, step_size=1e3, generator=generator())


def test_chains_that_never_move_are_named() -> None:
    """A narrow ridge beside a wide density: chains that start on it are rejected at the step size of the others."""

    class Ridge(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            wide, narrow = 0.5 * x.square().sum(1), 5e9 * (x[:, 0] - 30).square() - 500
            return -torch.logaddexp(-wide, -narrow)

    start = torch.zeros(100, 1, dtype=torch.float64)
    start[:5] = 30
    generator = torch.Generator().manual_seed(0)
    with pytest.warns(SamplingWarning, match="5 of 100 chains have not moved in 150 steps"):
        sm.hmc(Ridge(), start, steps=150, step_size=0.5, generator=generator)
