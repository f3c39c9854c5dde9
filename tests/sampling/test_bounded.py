"""Sampling in domains: known distributions come back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from bounded_energies import dirichlet_energy, normal_energy
from scipy import special, stats
from torch import Tensor, nn

import scorematching as sm
from scorematching.domains import Interval, Polyhedron
from scorematching.layers import Scale

F64 = torch.float64
#: Chains, each of which gives one independent sample; and what is allowed, in standard errors.
CHAINS, ERRORS = 4000, 4.2


def check_mean(values: Tensor, truth: Any) -> None:
    """Assert that the mean of independent values, shape (N, ...), is right, within less than 5 % of their spread."""
    error = values.std(0) / len(values) ** 0.5
    assert bool(((values.mean(0) - torch.as_tensor(truth)).abs() < ERRORS * error).all()), values.mean(0)


def by_hmc(energy: nn.Module, start: Tensor, **options: Any) -> Tensor:
    options |= {"warmup": 60, "leapfrog_steps": 4, "generator": torch.Generator().manual_seed(0)}
    samples = sm.hmc(energy, start.expand(CHAINS, -1), steps=150, step_size=0.2, **options)
    assert 0.7 < samples.acceptance.mean() < 0.9
    return samples.x


def by_langevin(energy: nn.Module, start: Tensor, **options: Any) -> Tensor:
    options |= {"warmup": 60, "metropolis": True, "generator": torch.Generator().manual_seed(0)}
    samples = sm.langevin(energy, start.expand(CHAINS, -1), steps=150, step_size=0.1, **options)
    assert 0.5 < samples.acceptance.mean() < 0.65
    return samples.x


both = pytest.mark.parametrize("sample", [by_hmc, by_langevin])


@both
def test_exponential(sample: Any) -> None:
    x = sample(sm.Sequential(Scale(2), sm.Sum(3.0)).double(), torch.ones(1, 2, dtype=F64), domain="positive")
    for column in x.T:
        assert stats.kstest(column.numpy(), stats.expon(scale=1 / 3).cdf).pvalue > 1e-4


def test_uniform_in_an_interval() -> None:
    x = by_hmc(sm.Sequential(Scale(2), sm.Sum(0.0)).double(), torch.ones(1, 2, dtype=F64), domain=Interval(-1, 2))
    for column in x.T:
        assert stats.kstest(column.numpy(), stats.uniform(-1, 3).cdf).pvalue > 1e-4


@both
def test_a_normal_vector_in_a_triangle(sample: Any) -> None:
    """The truth is an integral over a fine grid."""
    energy = normal_energy(2)
    with torch.no_grad():
        energy.layers[0].weight.copy_(torch.tensor([-0.5, 1.0]))
        energy.layers[3].weight.copy_(torch.tensor([1.0, 2.0]))
    triangle = Polyhedron(torch.tensor([[-1.0, 0], [0, -1], [1, 1]]), torch.tensor([0.0, 0, 2]))
    x = sample(energy, torch.full((1, 2), 0.5, dtype=F64), domain=triangle)
    assert not triangle.outside(x).any()
    side = (torch.arange(1000, dtype=F64) + 0.5) / 500
    grid = torch.cartesian_prod(side, side)
    p = energy(grid).neg().exp() * ~triangle.outside(grid)
    check_mean(x, (p[:, None] * grid).sum(0).detach() / p.sum().detach())
    check_mean(x.square(), (p[:, None] * grid.square()).sum(0).detach() / p.sum().detach())


@both
def test_dirichlet(sample: Any) -> None:
    shapes = torch.tensor([2.0, 3.0, 4.0], dtype=F64)
    energy = dirichlet_energy()
    with torch.no_grad():
        energy.layers[1].weight.copy_(1 - shapes)
    x = sample(energy, torch.tensor([[0.6, 0.3, 0.1]], dtype=F64), domain="simplex")
    torch.testing.assert_close(x.sum(1), torch.ones(CHAINS, dtype=F64))
    check_mean(x, shapes / 9)
    for column, shape in zip(x.T, shapes.tolist(), strict=True):
        assert stats.kstest(column.numpy(), stats.beta(shape, 9 - shape).cdf).pvalue > 1e-4


@both
def test_von_mises(sample: Any) -> None:
    x = sample(Cosine(2.0, 0.5), torch.tensor([[4.0]], dtype=F64), domain="circle")
    assert bool(((x >= -math.pi) & (x < math.pi)).all())
    assert x.min() < -3
    assert x.max() > 3
    assert stats.kstest(x[:, 0].numpy(), stats.vonmises(2.0, loc=0.5).cdf).pvalue > 1e-4
    check_mean((x - 0.5).cos(), special.i1(2.0) / special.i0(2.0))


class Cosine(nn.Module):
    """``-kappa cos(x - mu)``."""

    def __init__(self, kappa: float, mu: float) -> None:
        super().__init__()
        self.kappa, self.mu = kappa, mu

    def forward(self, x: Tensor) -> Tensor:
        """Energies, shape (N,)."""
        return -self.kappa * (x - self.mu).cos().sum(1)


@both
def test_von_mises_fisher(sample: Any) -> None:
    """In three dimensions, the mean resultant length is ``coth kappa - 1 / kappa``."""
    mu, kappa = np.array([1.0, 2.0, 2.0]) / 3, 3.0
    energy = sm.Sequential(Scale(3), sm.Sum()).double()
    with torch.no_grad():
        energy.layers[0].weight.copy_(torch.from_numpy(-kappa * mu))
    x = sample(energy, torch.tensor([[0.0, 0.0, -1.0]], dtype=F64), domain="sphere")
    torch.testing.assert_close(x.norm(dim=1), torch.ones(CHAINS, dtype=F64), rtol=0, atol=1e-12)
    along = x @ torch.from_numpy(mu)
    check_mean(along, 1 / math.tanh(kappa) - 1 / kappa)
    cdf = lambda t: (np.exp(kappa * t) - np.exp(-kappa)) / (2 * np.sinh(kappa))  # noqa: E731
    assert stats.kstest(along.numpy(), cdf).pvalue > 1e-4
    check_mean(x - along[:, None] * torch.from_numpy(mu), 0.0)


def test_a_curved_density_on_a_sphere() -> None:
    """``E = x_1^2`` in five dimensions: a Bingham density, whose second moment is an integral over a beta density."""
    energy = sm.Sequential(sm.layers.Square(), Scale(5), sm.Sum()).double()
    with torch.no_grad():
        energy.layers[1].weight.copy_(torch.tensor([4.0, 0, 0, 0, 0]))
    x = by_hmc(energy, torch.nn.functional.normalize(torch.ones(1, 5, dtype=F64)), domain="sphere")
    u = (torch.arange(10_000, dtype=F64) + 0.5) / 5000 - 1  # the first entry, of density (1 - u^2) on the sphere
    p = (1 - u**2) * (-4 * u**2).exp()
    check_mean(x[:, 0].square(), (p * u**2).sum() / p.sum())


def test_what_does_not_fit_is_refused_before_any_step() -> None:
    energy, x = sm.Sequential(Scale(2), sm.Sum()).double(), torch.ones(3, 2, dtype=F64)
    with pytest.raises(ValueError, match=r"the domain Interval\(.*\) has a boundary, which needs metropolis=True"):
        sm.langevin(energy, x, steps=1, step_size=1, domain="positive")
    with pytest.raises(ValueError, match="3 of 3 samples are outside of the domain Interval"):
        sm.hmc(energy, -x, steps=1, step_size=1, domain="positive")
    with pytest.raises(ValueError, match="3 of 3 samples are outside of the domain Simplex"):
        sm.hmc(energy, x, steps=1, step_size=1, domain="simplex")
    with pytest.raises(ValueError, match=r"the energy changes by .* when input 0 is turned by 2 pi"):
        sm.hmc(energy, x * torch.rand(3, 1), steps=1, step_size=1, domain="circle")
    with pytest.raises(ValueError, match="project can't be combined with the domain Circle"):
        sm.hmc(Cosine(1.0, 0.0), x, steps=1, step_size=1, domain="circle", project=sm.sampling.without_mean)
