"""Langevin dynamics: known distributions come back, within stated standard errors."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

import scorematching as sm
from scorematching.layers import LogCosh, Square
from scorematching.priors import FieldPrior
from scorematching.sampling import without_mean

#: Chains of the tests, each of which gives one independent sample.
CHAINS = 20_000
#: What is allowed, in standard errors: a normal variable exceeds it once in 30,000 times.
ERRORS = 4.2


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def precision() -> Tensor:
    """Of a correlated Gaussian in four dimensions, eigenvalues 0.5 to 2."""
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0]
    return turn @ torch.diag(torch.tensor([0.5, 0.8, 1.4, 2.0], dtype=torch.float64)) @ turn.T


def gaussian(precision: Tensor, mean: Tensor) -> sm.Graph:
    """``|L^T (x - mean)|^2 / 2`` with ``L L^T`` the precision."""
    linear = sm.Linear(4, 4)
    root = torch.linalg.cholesky(precision).T
    energy = sm.Sequential(linear, Square(), sm.Sum(0.5)).double()
    with torch.no_grad():
        linear.weight.copy_(root)
        linear.bias.copy_(-root @ mean)
    return energy


def check_moments(x: Tensor, mean: Tensor, covariance: Tensor) -> None:
    """Mean and covariance of independent samples of a Gaussian, whose standard errors are known."""
    n, variance = len(x), covariance.diagonal()
    assert ((x.mean(0) - mean) / (variance / n).sqrt()).abs().max() < ERRORS
    errors = ((variance[:, None] * variance + covariance**2) / n).sqrt()
    assert ((x.T.cov() - covariance) / errors).abs().max() < ERRORS


def test_a_correlated_gaussian_is_sampled_exactly(precision: Tensor, generator: torch.Generator) -> None:
    """At a step so large that without the correction the variances would be up to a third too large."""
    mean = torch.tensor([1.0, -2.0, 0.0, 3.0], dtype=torch.float64)
    samples = sm.langevin(
        gaussian(precision, mean),
        torch.zeros(CHAINS, 4, dtype=torch.float64),
        steps=120,
        step_size=0.5,
        metropolis=True,
        generator=generator,
    )
    check_moments(samples.x, mean, torch.linalg.inv(precision))
    assert 0.8 < samples.acceptance.mean() < 0.99


@pytest.mark.parametrize("kind", ["energy", "module", "score"])
def test_without_the_correction_the_error_is_the_known_one(
    kind: str, precision: Tensor, generator: torch.Generator
) -> None:
    """The dynamics of step ``eps`` with precision ``P`` end in a Gaussian of covariance ``(P - eps P^2 / 4)^-1``."""
    mean, eps = torch.ones(4, dtype=torch.float64), 0.5
    energy = gaussian(precision, mean)
    target = {"energy": energy, "module": torch.nn.Sequential(energy), "score": lambda x: (mean - x) @ precision}[kind]
    start = torch.zeros(CHAINS, 4, dtype=torch.float64)
    samples = sm.langevin(target, start, steps=80, step_size=eps, generator=generator)
    check_moments(samples.x, mean, torch.linalg.inv(precision - eps / 4 * precision @ precision))
    assert bool((samples.acceptance == 1).all())


EXPERTS = {
    "Student-t": (sm.StudentT(), 4.0, stats.t(df=7, scale=(2 / 7) ** 0.5)),  # (1 + u^2 / 2)^-4
    "hyperbolic secant": (LogCosh(), 1.0, stats.hypsecant()),
}


@pytest.mark.parametrize("name", EXPERTS)
def test_a_product_of_heavy_tailed_experts_is_sampled_exactly(name: str, generator: torch.Generator) -> None:
    """Responses of two mixed experts: independent, of known mean, variance and distribution."""
    expert, weight, truth = EXPERTS[name]
    linear, last = sm.Linear(2, 2, bias=False), sm.WeightedSum(2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 0.5], [-0.3, 0.8]]))
        last.weight.fill_(weight)
    start, eps = torch.full((CHAINS, 2), 2.0), float(truth.var())
    samples = sm.langevin(
        sm.Sequential(linear, expert, last), start, steps=150, step_size=eps, metropolis=True, generator=generator
    )
    u = (samples.x @ linear.weight.T).detach().double()
    variance, _, _, excess = (float(m) for m in (truth.var(), *truth.stats("mvs")[:2], truth.stats("k")))
    assert (u.mean(0) / (variance / CHAINS) ** 0.5).abs().max() < ERRORS
    assert ((u.var(0) / variance - 1) / ((excess + 2) / CHAINS) ** 0.5).abs().max() < ERRORS
    assert abs(u.T.corrcoef()[0, 1]) < ERRORS / CHAINS**0.5
    for response in u.T:
        assert stats.kstest(response.numpy(), truth.cdf).pvalue > 1e-4


def test_planes_are_sampled_given_their_brightness(generator: torch.Generator) -> None:
    """The mean stays, and ``<x - mean, grad E>`` is the number of free directions in the mean, as for any density."""
    prior = FieldPrior(sm.FieldConfig(filters=3, size=2), noise=25 / 255).double()
    prior.energy.convolutions[0].weight.data += 0.1  # so that brightness bears some energy
    brightness = torch.linspace(0.2, 0.8, 1000, dtype=torch.float64)
    start, eps = brightness[:, None, None, None].expand(-1, 1, 3, 4), prior.level**2
    samples = sm.langevin(
        prior, start, steps=80, step_size=eps, metropolis=True, project=without_mean, generator=generator
    )
    x = samples.x
    torch.testing.assert_close(x.mean((1, 2, 3)), brightness, rtol=0, atol=1e-12)
    _, gradient = prior.energy_and_gradient(x)
    virial = ((x - x.mean((1, 2, 3), keepdim=True)) * gradient).sum((1, 2, 3))
    assert abs(virial.mean() - 11) < ERRORS * virial.std() / 1000**0.5
    assert 0.4 < samples.acceptance.mean() < 0.9


class Harmonic:
    """``|x|^2 / 2``, an energy that is not a module."""

    def energy_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Energies and gradient."""
        return 0.5 * x.square().sum(1), x


def test_any_object_with_an_energy_and_a_gradient_is_sampled(generator: torch.Generator) -> None:
    start = torch.zeros(CHAINS, 3, dtype=torch.float64)
    samples = sm.langevin(Harmonic(), start, steps=40, step_size=0.5, metropolis=True, generator=generator)
    check_moments(samples.x, torch.zeros(3), torch.eye(3, dtype=torch.float64))


def test_a_projection_samples_a_subspace(generator: torch.Generator) -> None:
    """Of a standard Gaussian given the mean of its entries, the covariance is the projection itself."""
    start = torch.full((CHAINS, 3), 2.0, dtype=torch.float64)
    samples = sm.langevin(
        Harmonic(), start, steps=40, step_size=0.5, metropolis=True, project=without_mean, generator=generator
    )
    torch.testing.assert_close(samples.x.mean(1), start[:, 0], rtol=0, atol=1e-12)
    check_moments(samples.x, start[0], torch.eye(3, dtype=torch.float64) - 1 / 3)


def test_the_same_generator_gives_the_same_samples(prior: sm.Prior) -> None:
    start, seen = torch.rand(2, 1, 8, 8), []

    def sample(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return sm.langevin(
            prior,
            start,
            steps=3,
            step_size=1e-3,
            generator=generator,
            progress=seen.append,
        ).x

    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))
    assert [(state.step, state.steps) for state in seen[:3]] == [(1, 3), (2, 3), (3, 3)]
    assert torch.equal(sm.langevin(prior, start, steps=0, step_size=1.0).x, start)


def test_bad_input_is_named(prior: sm.Prior) -> None:
    energy, x = sm.Sequential(Square(), sm.Sum()), torch.ones(2, 3)
    with pytest.raises(ValueError, match="step_size must be a number above 0, got 0"):
        sm.langevin(energy, x, steps=1, step_size=0)
    with pytest.raises(ValueError, match="steps must be an integer of 0 or more, got -1"):
        sm.langevin(energy, x, steps=-1, step_size=1)
    with pytest.raises(TypeError, match="must be an energy or a score, got int"):
        sm.langevin(3, x, steps=1, step_size=1)
    with pytest.raises(TypeError, match="to accept or reject moves needs an energy"):
        sm.langevin(lambda x: -x, x, steps=1, step_size=1, metropolis=True)
    with pytest.raises(ValueError, match=r"score must have the shape of its data, \(2, 3\), got \(2,\)"):
        sm.langevin(energy.forward, x, steps=1, step_size=1)
    with pytest.raises(ValueError, match="1 entries that are NaN"):
        sm.langevin(energy, torch.tensor([[1.0, torch.nan]]), steps=1, step_size=1)
    with pytest.raises(ValueError, match=r"diverged to infinity by step \d+: take a smaller step_size"):
        sm.langevin(energy, x, steps=100, step_size=100)
    with pytest.raises(ValueError, match=r"expected planes of shape \(N, C, H, W\)"):
        sm.langevin(prior, x, steps=1, step_size=1)
