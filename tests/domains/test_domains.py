"""Bounded domains: the loss by autograd, known answers, standard errors that cover, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

import scorematching as sm
from scorematching.domains import Distance, Domain, Interval, Polyhedron
from scorematching.layers import PointwiseFunction, Scale, Sin, Square, Tanh

F64 = torch.float64
TRIANGLE = Polyhedron(
    torch.tensor([[-1.0, 0, 0], [0, -1, 0], [0, 0, -1], [1, 1, 1]]), torch.tensor([0.0, 0, 0, 3]), cap=0.3
)
DOMAINS: dict[str, Domain] = {
    "positive": Interval(0.0),
    "interval": Interval(-0.2, 1.5, cap=0.4),
    "below": Interval(high=2.0, cap=3.0, power=1.5),
    "triangle": TRIANGLE,
    "ball": Distance(lambda x: 2 - x.norm(dim=1), cap=0.8, power=1),
}


def logarithm() -> PointwiseFunction:
    return PointwiseFunction(torch.log, lambda x: 1 / x, lambda x: -(x**-2), lambda x: 2 * x**-3)


def gamma_energy() -> sm.Graph:
    """``theta_0 x + theta_1 log x``: the rate, and 1 minus the shape."""
    edges = [("x", Scale(1), "a"), ("a", sm.Sum(), "energy"), ("x", logarithm(), "b"), ("b", Scale(1), "c")]
    return sm.Graph([*edges, ("c", sm.Sum(), "energy")]).double()


def normal_energy(inputs: int) -> sm.Graph:
    """``theta_i x_i + 1/2 theta'_i x_i^2``."""
    edges = [("x", Scale(inputs), "a"), ("a", sm.Sum(), "energy"), ("x", Square(), "b"), ("b", Scale(inputs), "c")]
    return sm.Graph([*edges, ("c", sm.Sum(0.5), "energy")]).double()


BOTH = ["layers.0.weight", "layers.3.weight"]


def inside(domain: Domain, count: int = 6) -> Tensor:
    x = torch.rand(400, 3, dtype=F64) * 1.4
    return x[~domain.outside(x)][:count]


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("curvature", ["diagonal", "jacobian", "full"])
@pytest.mark.parametrize("name", DOMAINS)
def test_the_loss_and_its_gradients_equal_autograd(name: str, curvature: str, lam: float) -> None:
    """Weights and slopes come from a domain, the oracle differentiates through them."""
    energy = sm.Sequential(sm.Linear(3, 5), Tanh(), sm.WeightedSum(5))
    weight = torch.rand(3, dtype=F64)
    sm.check_gradients(energy, inside(DOMAINS[name]), lam=lam, weight=weight, curvature=curvature, domain=DOMAINS[name])


@pytest.mark.parametrize("name", DOMAINS)
def test_weights_vanish_on_the_boundary_and_their_slopes_are_derivatives(name: str) -> None:
    domain, x = DOMAINS[name], inside(DOMAINS[name]).requires_grad_()
    h, slope = domain.weights(x)
    assert slope.shape == h.shape == x.shape
    for i in range(3):
        (derivative,) = torch.autograd.grad(h[:, i].sum(), x, retain_graph=True)
        torch.testing.assert_close(derivative[:, i], slope[:, i])
    assert ((h > 0) & (h <= 1)).all()
    edge = {"positive": 0.0, "interval": 1.5, "below": 2.0, "triangle": 1.0, "ball": 2 / 3**0.5}[name]
    at_edge, _ = domain.weights(torch.full((1, 3), edge, dtype=F64))
    torch.testing.assert_close(at_edge, torch.zeros_like(at_edge), atol=1e-12, rtol=0)


def test_random_probes_and_blocks_give_the_same_loss() -> None:
    energy, domain = sm.Sequential(Scale(3), sm.StudentT(), sm.WeightedSum(3)).double(), DOMAINS["interval"]
    x = inside(domain, 50)
    expected = sm.score_matching_loss(energy, x, domain=domain)
    probes = sm.curvature.Hutchinson(probes=2, generator=torch.Generator().manual_seed(0))  # exact for a sum of inputs
    torch.testing.assert_close(sm.score_matching_loss(energy, x, curvature=probes, domain=domain), expected)
    losses = [sm.score_matching_loss(energy, one[None], domain=domain) for one in x]
    torch.testing.assert_close(torch.stack(losses).mean(), expected)
    module = sm.ScoreMatchingLoss(energy, domain=domain)
    torch.testing.assert_close(module(x), expected)


def exponential(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.exponential(1 / 3, (n, 1))


def gamma(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.gamma(0.7, 1 / 2, (n, 1))


def truncated(rng: np.random.Generator, n: int) -> np.ndarray:
    """Five normal variables of mean 0.5 and precision 1.5, given that they are positive."""
    drawn = 0.5 + rng.normal(size=(20 * n, 5)) / math.sqrt(1.5)
    return np.stack([column[column > 0][:n] for column in drawn.T], 1)


CASES = {
    "exponential": (exponential, lambda: sm.Sequential(Scale(1), sm.Sum()).double(), None, [3.0]),
    "gamma": (gamma, gamma_energy, BOTH, [2.0, 1 - 0.7]),
    "normal": (truncated, lambda: normal_energy(5), BOTH, [-0.75] * 5 + [1.5] * 5),
}


@pytest.mark.parametrize("name", CASES)
def test_known_parameters_are_recovered_and_standard_errors_cover(name: str) -> None:
    """1,000 samples, 1,000 replicas: 95 % intervals contain the truth in 92 to 98 %."""
    draw, build, parameters, truth = CASES[name]
    rng, expected = np.random.default_rng(0), torch.tensor(truth, dtype=F64)
    energy = build()
    z, errors = [], []
    for _ in range(1000):
        found = sm.fit_closed_form(energy, torch.from_numpy(draw(rng, 1000)), parameters=parameters, domain="positive")
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


@pytest.mark.parametrize(
    ("draw", "where"),
    [
        (lambda rng: rng.uniform(2, 3, (1000, 1)), "at a bound"),
        (lambda rng: rng.gamma(0.7, 2, (1000, 3)), "at a bound"),
        (lambda rng: -rng.exponential(1, (1000, 1)), "next to the largest value"),
        (lambda rng: rng.dirichlet((2, 3, 4), 1000), "unit simplex"),
        (lambda rng: (g := rng.normal(size=(1000, 3))) / np.linalg.norm(g, axis=1, keepdims=True), "unit sphere"),
        (lambda rng: rng.normal(5, 1, (1000, 20)), ""),
        (lambda rng: rng.standard_t(3, (1000, 20)), ""),
        (lambda rng: rng.gamma(4, 1, (1000, 20)), ""),
        (lambda rng: rng.exponential(1, (100, 1)), ""),
    ],
    ids=["uniform", "gamma 0.7", "negative", "simplex", "sphere", "normal", "student", "gamma 4", "few"],
)
def test_data_that_look_bounded_are_named_once(
    draw: Callable[[np.random.Generator], np.ndarray], where: str, recwarn: pytest.WarningsRecorder
) -> None:
    x = torch.from_numpy(draw(np.random.default_rng(0)))
    energy = sm.Sequential(Scale(x.shape[1]), Square(), sm.Sum()).double()
    for _ in range(2):
        sm.score_matching_loss(energy, x)
    found = [str(one.message) for one in recwarn if one.category is sm.losses.DomainWarning]
    assert len(found) == bool(where)
    assert all(where in one for one in found)


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


def test_von_mises() -> None:
    """``E = -kappa cos(x - mu)``, linear in the sine and the cosine."""
    x = torch.from_numpy(np.random.default_rng(0).vonmises(0.5, 2.0, (100_000, 1)))
    cosine = PointwiseFunction(torch.cos, lambda x: -x.sin(), lambda x: -x.cos(), torch.sin)
    edges = [("x", Sin(), "a"), ("a", Scale(1), "b"), ("b", sm.Sum(-1.0), "energy")]
    edges += [("x", cosine, "c"), ("c", Scale(1), "d"), ("d", sm.Sum(-1.0), "energy")]
    energy = sm.Graph(edges).double()
    found = sm.fit_closed_form(energy, x, parameters=["layers.1.weight", "layers.4.weight"], domain="circle")
    truth = 2 * torch.tensor([math.sin(0.5), math.cos(0.5)])
    assert ((found.estimate - truth).abs() < 4 * found.standard_errors).all()


def dirichlet_energy() -> sm.Graph:
    return sm.Sequential(logarithm(), Scale(3), sm.Sum()).double()


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


def test_the_loss_on_a_simplex_is_that_of_its_first_entries() -> None:
    """For a graph and for any module; the oracle eliminates the last entry by hand."""
    energy = sm.Sequential(sm.Linear(3, 5), Tanh(), sm.WeightedSum(5)).double()
    x = torch.from_numpy(np.random.default_rng(0).dirichlet((2, 3, 4), 20))

    class Eliminated(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.energy = energy

        def forward(self, u: Tensor) -> Tensor:
            return self.energy(torch.cat([u, 1 - u.sum(1, keepdim=True)], 1))

    smallest = Distance(lambda u: torch.minimum(u.amin(1), 1 - u.sum(1)))
    expected = sm.score_matching_loss(Eliminated(), x[:, :2], lam=0.1, domain=smallest)
    expected.backward()
    gradient = energy.layers[0].weight.grad.clone()
    for model in (energy, torch.nn.Sequential(energy)):
        energy.zero_grad()
        loss = sm.score_matching_loss(model, x, lam=0.1, domain="simplex")
        torch.testing.assert_close(loss, expected)
        loss.backward()
        torch.testing.assert_close(energy.layers[0].weight.grad, gradient)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_loss_on_a_sphere_is_that_of_its_coordinates(reduction: Any) -> None:
    """The oracle: gradient and Laplace-Beltrami operator in spherical coordinates, by autograd."""
    energy = sm.Sequential(sm.Linear(3, 5), Tanh(), sm.WeightedSum(5)).double()
    polar, azimuth = (torch.rand(7, dtype=F64).add(0.5).requires_grad_() for _ in range(2))
    x = torch.stack([polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()], 1)
    by_polar, by_azimuth = torch.autograd.grad(energy(x).sum(), (polar, azimuth), create_graph=True)
    (first,) = torch.autograd.grad((polar.sin() * by_polar).sum(), polar, create_graph=True)
    (second,) = torch.autograd.grad(by_azimuth.sum(), azimuth, create_graph=True)
    laplacian = first / polar.sin() + second / polar.sin() ** 2
    expected = 0.5 * (by_polar**2 + (by_azimuth / polar.sin()) ** 2) - laplacian
    by_autograd = torch.autograd.grad(expected.mean(), list(energy.parameters())[:2])
    found = sm.score_matching_loss(energy, x.detach(), domain="sphere", reduction=reduction)
    torch.testing.assert_close(found, expected if reduction == "none" else expected.mean(), rtol=1e-10, atol=1e-12)
    for one, other in zip(torch.autograd.grad(found.mean(), list(energy.parameters())[:2]), by_autograd, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


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


def test_refused() -> None:
    energy = sm.Sequential(Scale(1), sm.Sum()).double()
    x = torch.tensor([[1.0], [-2.0], [3.0]], dtype=F64)
    with pytest.raises(ValueError, match=r"1 of 3 samples are outside of the domain .*, the first is x\[1\]"):
        sm.score_matching_loss(energy, x, domain="positive")
    with pytest.raises(ValueError, match=r"outside of the domain"):
        sm.fit_closed_form(energy, x, domain=Interval(0, 5))
    with pytest.raises(ValueError, match=r"the energy changes by .* when input 0 is turned by 2 pi"):
        sm.score_matching_loss(energy, x, domain="circle")
    with pytest.raises(ValueError, match="domain must be 'positive', 'simplex', 'sphere' or 'circle', got 'cube'"):
        sm.score_matching_loss(energy, x, domain="cube")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"domain must be a name or an object of sm\.domains, got int"):
        sm.score_matching_loss(energy, x, domain=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="an interval needs a bound"):
        Interval()
    with pytest.raises(ValueError, match="an interval needs a bound, and low below high"):
        Interval(2, 1)
    with pytest.raises(ValueError, match="power must be 1 or more"):
        Interval(0, power=0.5)
    with pytest.raises(ValueError, match="one value per sample"):
        Distance(lambda x: x).weights(x)
    with pytest.raises(ValueError, match="a polyhedron needs A of shape"):
        Polyhedron(torch.zeros(2, 3), torch.ones(2))
    with pytest.raises(ValueError, match="Stein is for data in all of space"):
        sm.score_matching_loss(
            energy, x.abs(), curvature=sm.curvature.Stein(torch.zeros_like(x), 1.0), domain="positive"
        )
