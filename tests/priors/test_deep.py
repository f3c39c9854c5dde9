"""Deep priors: one energy with and without borders, and a loss by random probes."""

from __future__ import annotations

import copy

import pytest
import torch

import scorematching as sm
from scorematching.curvature import FullHessian
from scorematching.priors import Crops, DeepPrior


@pytest.fixture
def deep() -> DeepPrior:
    return DeepPrior(sm.DeepConfig(channels=8, depth=4), noise=25 / 255)


def crops(pixels: torch.Tensor, noise: torch.Tensor | None = None) -> Crops:
    """A batch with no noise but its own: all of the prior's level, or a fraction of it."""
    return Crops(pixels, torch.ones(len(pixels)) if noise is None else noise, torch.zeros(0))


def losses(deep: DeepPrior, batch: Crops, count: int = 20) -> torch.Tensor:
    """Losses of a batch by ``count`` draws of the probes."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack([deep.loss(batch, 0.0, generator).detach() for _ in range(count)])


def test_far_from_the_border_both_energies_have_one_gradient(deep: DeepPrior) -> None:
    deep.double()
    x, m = torch.randn(1, 1, 40, 44, dtype=torch.float64), deep.margin
    inner, bordered = sm.score(deep.energy, x), sm.score(deep._bordered[0], x)
    torch.testing.assert_close(inner[..., m:-m, m:-m], bordered[..., m:-m, m:-m], rtol=1e-10, atol=1e-12)
    assert not torch.allclose(inner, bordered)


def test_the_energy_with_borders_keeps_the_same_parameters(deep: DeepPrior) -> None:
    """Whatever is done to the prior: another precision, a copy, a step of an optimizer."""
    for prior in (deep, deep.double(), copy.deepcopy(deep)):
        own, other = dict(prior.energy.named_parameters()), dict(prior._bordered[0].named_parameters())
        assert all(other[name] is own[name] for name in own)
    assert len(list(deep.parameters())) == 8
    assert copy.deepcopy(deep).energy.layers[1].weight is not deep.energy.layers[1].weight


def test_brightness_bears_no_energy(deep: DeepPrior) -> None:
    deep.constrain()
    planes = torch.rand(1, 1, 30, 30)
    torch.testing.assert_close(deep.score(planes + 0.3), deep.score(planes), rtol=1e-3, atol=1e-3)


def test_the_loss_is_an_estimate_of_the_exact_one(deep: DeepPrior) -> None:
    x = torch.randn(1, 1, 8, 8).mul(deep.unit)
    truth = sm.score_matching_loss(deep._bordered[0], x / deep.unit, curvature="full") / 64
    draws = losses(deep, crops(x.expand(100, -1, -1, -1)))
    assert abs(draws.mean() - truth) < 4 * draws.std() / 20**0.5


def test_with_less_noise_the_loss_is_steins(deep: DeepPrior) -> None:
    """``1/2 |d|^2 - noise^2 tr H``: each crop by its own share."""
    x, noise = torch.randn(2, 1, 8, 8).mul(deep.unit), torch.tensor([0.3, 0.8])
    found = FullHessian().derivatives(deep._bordered[0], x / deep.unit)
    truth = (0.5 * found.d.square() - noise.square()[:, None, None, None] * found.d2).sum() / 2 / 64
    many = x.repeat(50, 1, 1, 1)
    draws = losses(deep, crops(many, noise.repeat(50)))
    assert abs(draws.mean() - truth) < 4 * draws.std() / 20**0.5
    assert abs(draws.mean() - losses(deep, crops(many), 1)[0]) > 20 * draws.std() / 20**0.5


def test_noise_that_was_added_takes_the_place_of_probes(deep: DeepPrior) -> None:
    """No random number is drawn; the mean over the added noise is that of the loss by probes."""
    clean = torch.full((1, 1, 8, 8), 0.5)
    noise = deep.unit * torch.randn(4000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    batch = Crops(clean + noise, torch.ones(4000), noise)
    by_noise, again = (deep.loss(batch, 0.0).detach() for _ in range(2))
    assert torch.equal(by_noise, again)
    by_probes = losses(deep, crops(clean + noise), 1)[0]
    assert by_noise == pytest.approx(float(by_probes), abs=0.05 * abs(float(by_probes)))
