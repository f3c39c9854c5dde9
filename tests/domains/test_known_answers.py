"""Known densities in bounded domains: parameters are recovered, and standard errors cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from bounded_energies import BOTH, F64, dirichlet_energy, exponential, gamma, gamma_energy, normal_energy
from scipy import stats
from torch import Tensor

import scorematching as sm
from scorematching.domains import Distance, Interval
from scorematching.layers import Scale


def truncated(rng: np.random.Generator, n: int) -> np.ndarray:
    """Five normal variables of mean 0.5 and precision 1.5, given that they are positive."""
    drawn = 0.5 + rng.normal(size=(20 * n, 5)) / math.sqrt(1.5)
    return np.stack([column[column > 0][:n] for column in drawn.T], 1)


CASES = {
    "exponential": (exponential, lambda: sm.Sequential(Scale(1), sm.Sum()).double(), None, [3.0]),
    "gamma": (gamma, gamma_energy, BOTH, [2.0, 1 - 0.7]),
    "square root": (
        lambda rng, n: rng.exponential(1 / 3, (n, 2)),
        lambda: sm.energies.PairwiseModel(2, 0.5, 0.5).double(),
        None,
        [3.0, 0, 3, 0, 0],  # independent: K is diagonal, and eta 0
    ),
    "normal": (truncated, lambda: normal_energy(5), BOTH, [-0.75] * 5 + [1.5] * 5),
    "von Mises": (
        lambda rng, n: rng.vonmises(0.5, 2.0, (n, 1)),
        lambda: sm.energies.ExponentialFamily([lambda x: x[:, 0].sin(), lambda x: x[:, 0].cos()]).double(),
        None,
        [2 * math.sin(0.5), 2 * math.cos(0.5)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_known_parameters_are_recovered_and_standard_errors_cover(name: str) -> None:
    """1,000 samples, 1,000 replicas: 95 % intervals contain the truth in 92 to 98 %."""
    draw, build, parameters, truth = CASES[name]
    options = {"parameters": parameters, "domain": "circle" if name == "von Mises" else "positive"}
    rng, expected = np.random.default_rng(0), torch.tensor(truth, dtype=F64)
    energy = build()
    z, errors = [], []
    for _ in range(1000):
        found = sm.fit_closed_form(energy, torch.from_numpy(draw(rng, 1000)), **options)
        z.append((found.estimate - expected) / found.standard_errors)
        errors.append(found.estimate - expected)
    covered = (torch.stack(z).abs() < 1.96).double().mean(0)
    assert ((covered > 0.92) & (covered < 0.98)).all(), covered
    bias = torch.stack(errors).mean(0).abs() / torch.stack(errors).std(0)
    assert (bias < 0.4).all(), bias


def test_without_a_domain_the_rate_of_an_exponential_is_lost() -> None:
    """What the domain is for: ordinary score matching sees no rate at all, and says that it may be wrong."""
    x = torch.from_numpy(exponential(np.random.default_rng(0), 1000))
    energy = sm.Sequential(Scale(1), sm.Sum()).double()
    with pytest.warns(sm.losses.DomainWarning, match="next to the lowest value of input 0, .* as at a bound"):
        assert abs(float(sm.fit_closed_form(energy, x).estimate)) < 1e-12
    assert float(sm.fit_closed_form(energy, x, domain="positive").estimate) == pytest.approx(3, rel=0.15)


def test_a_normal_variable_in_an_interval() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0.3, 0.8, 400_000)
    x = torch.from_numpy(x[(x > -0.5) & (x < 1)][:100_000, None])
    found = sm.fit_closed_form(normal_energy(1), x, parameters=BOTH, domain=Interval(-0.5, 1))
    precision = 1 / 0.64
    assert ((found.estimate - torch.tensor([-0.3 * precision, precision])).abs() < 4 * found.standard_errors).all()
    assert (found.standard_errors < 0.2).all()


def test_a_normal_vector_in_a_disk() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0.4, 0.7, (400_000, 2))
    x = torch.from_numpy(x[np.linalg.norm(x, axis=1) < 1][:100_000])
    domain = Distance(lambda x: 1 - x.norm(dim=1), power=1)
    found = sm.fit_closed_form(normal_energy(2), x, parameters=BOTH, domain=domain)
    truth = torch.tensor([-0.4 / 0.49] * 2 + [1 / 0.49] * 2)
    assert ((found.estimate - truth).abs() < 4 * found.standard_errors).all()
    assert (found.standard_errors < 0.1).all()


@pytest.mark.parametrize("shapes", [(2.0, 3.0, 4.0), (0.5, 0.8, 1.0)])
def test_dirichlet(shapes: tuple[float, ...]) -> None:
    """``E = sum_i (1 - shape_i) log x_i``."""
    rng, truth = np.random.default_rng(0), 1 - torch.tensor(shapes, dtype=F64)
    x = torch.from_numpy(rng.dirichlet(shapes, 100_000))
    found = sm.fit_closed_form(dirichlet_energy(), x, domain="simplex")
    assert ((found.estimate - truth).abs() < 4 * found.standard_errors).all()
    assert (found.standard_errors < 0.05).all()
    z = []
    for _ in range(1000):
        one = sm.fit_closed_form(dirichlet_energy(), torch.from_numpy(rng.dirichlet(shapes, 1000)), domain="simplex")
        z.append((one.estimate - truth) / one.standard_errors)
    covered = (torch.stack(z).abs() < 1.96).double().mean(0)
    assert ((covered > 0.92) & (covered < 0.98)).all(), covered


def test_von_mises_fisher() -> None:
    """``E = -kappa mu·x``; 95 % intervals contain the truth in 92 to 98 % of 1,000 replicas."""
    mu, kappa = np.array([1.0, 2.0, 2.0]) / 3, 3.0
    truth, energy = torch.from_numpy(-kappa * mu), sm.Sequential(Scale(3), sm.Sum()).double()
    draws = torch.from_numpy(stats.vonmises_fisher(mu, kappa).rvs(1_000_000, random_state=0)).view(1000, 1000, 3)
    fits = [sm.fit_closed_form(energy, x, domain="sphere") for x in draws]
    z = torch.stack([(fit.estimate - truth) / fit.standard_errors for fit in fits])
    covered = (z.abs() < 1.96).double().mean(0)
    assert ((covered > 0.92) & (covered < 0.98)).all(), covered
    assert (z.mean(0).abs() < 0.3).all()
    with pytest.raises(ValueError, match="on a sphere the curvature has no coordinates for the regularizer"):
        sm.score_matching_loss(energy, draws[0], lam=0.1, domain="sphere")
    with pytest.raises(ValueError, match="1000 of 1000 samples are outside of the domain Sphere"):
        sm.score_matching_loss(energy, 2 * draws[0], domain="sphere")


def test_an_optimizer_finds_the_closed_form() -> None:
    x = torch.from_numpy(gamma(np.random.default_rng(0), 500))
    domain = Interval(0.0, cap=0.3)
    energy, other = gamma_energy(), gamma_energy()
    exact = sm.fit_closed_form(energy, x, parameters=BOTH, domain=domain)
    optimizer = torch.optim.LBFGS(other.parameters(), max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = sm.score_matching_loss(other, x, domain=domain)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert closure().item() == pytest.approx(exact.loss, rel=1e-6)
    found = torch.cat([other.layers[0].weight, other.layers[3].weight])
    torch.testing.assert_close(found.detach(), exact.estimate, rtol=1e-3, atol=1e-4)
