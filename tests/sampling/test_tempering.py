"""Parallel tempering: separated modes get their weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import scorematching as sm
from scorematching.sampling import SamplingWarning, r_hat, summarize

F64 = torch.float64
#: A geometric ladder.
LADDER = (1, 2, 4, 8, 16)


class TwoModes(nn.Module):
    """Two standard normal densities, 8 standard deviations apart, with weights 0.2 and 0.8."""

    def forward(self, x: Tensor) -> Tensor:
        """Energies, shape (N,)."""
        distances = torch.stack([(x[:, 0] - place).square() + x[:, 1].square() for place in (-4, 4)])
        return -torch.logsumexp(torch.tensor([0.2, 0.8], dtype=x.dtype).log()[:, None] - 0.5 * distances, 0)


def in_one_mode(chains: int) -> Tensor:
    start = torch.zeros(chains, 2, dtype=F64)
    start[:, 0] = -4
    return start


@pytest.mark.parametrize("name", ["hmc", "langevin"])
def test_the_weights_of_separated_modes_are_right(name: str) -> None:
    """All chains start in the lighter mode."""
    options = {"metropolis": True} if name == "langevin" else {"leapfrog_steps": 4}
    samples = getattr(sm, name)(
        TwoModes(),
        in_one_mode(200),
        steps=400,
        step_size=0.5,
        warmup=150,
        keep=1,
        temperatures=LADDER,
        generator=torch.Generator().manual_seed(0),
        **options,
    )
    weight = (samples.draws[..., 0] > 0).double()[50:].mean(0)  # of each chain, after a walk to the other mode
    error = weight.std() / len(weight) ** 0.5
    assert abs(weight.mean() - 0.8) < 4 * error < 0.05
    assert bool(((samples.exchanged > 0.4) & (samples.exchanged < 0.9)).all())
    x, y = samples.draws.flatten(0, 1).T
    inner = x[x > 0]
    assert inner.mean() == pytest.approx(4, abs=0.05)
    assert inner.var() == pytest.approx(1, abs=0.05)  # one of them at temperature 1
    assert y.var() == pytest.approx(1, abs=0.05)


def test_without_tempering_the_weights_are_those_of_the_start_and_r_hat_tells() -> None:
    start = in_one_mode(20)
    start[10:, 0] = 4
    options = {"steps": 100, "step_size": 1.0, "keep": 1, "leapfrog_steps": 4}
    alone = sm.hmc(TwoModes(), start, generator=torch.Generator().manual_seed(0), **options)
    assert (alone.draws[..., 0] > 0).double().mean() == 0.5
    assert r_hat(alone.draws)[0] > 1.5
    with pytest.warns(SamplingWarning, match=r"R-hat is up to 1\.\d+, so the chains have not mixed"):
        summarize(alone.draws)


def test_bad_ladders_are_named() -> None:
    for ladder in ((2.0, 4.0), (1.0, 1.0), ()):
        with pytest.raises(ValueError, match="temperatures must start at 1 and increase, got"):
            sm.hmc(TwoModes(), in_one_mode(2), steps=1, step_size=1, temperatures=ladder)
    with pytest.raises(ValueError, match="temperatures must be a number above 0, got -1"):
        sm.hmc(TwoModes(), in_one_mode(2), steps=1, step_size=1, temperatures=(1, -1))
    with pytest.raises(ValueError, match="temperatures need metropolis=True"):
        sm.langevin(TwoModes(), in_one_mode(2), steps=1, step_size=1, temperatures=(1, 2))


def test_temperatures_too_far_apart_are_told() -> None:
    start, options = torch.zeros(2, 100), {"step_size": 0.1, "generator": torch.Generator().manual_seed(0)}
    normal = sm.Sequential(sm.layers.Square(), sm.Sum(0.5))
    with pytest.warns(SamplingWarning, match=r"temperatures\[0\] exchanged nothing with the next one"):
        sm.hmc(normal, start, steps=40, temperatures=(1, 1e4), **options)
