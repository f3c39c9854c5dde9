"""The Stein test: its kernel, its known values, and its errors of both kinds."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from standard_errors import check_mean
from torch import Tensor, nn

import scorematching as sm
from scorematching.statistics import goodness_of_fit, stein_test
from scorematching.statistics.stein_kernel import Points, stein_kernel

F64 = torch.float64
Sampler = Callable[[int], Tensor]


def normal(n: int, dim: int = 1) -> Tensor:
    return torch.randn(n, dim, dtype=F64)


def student(n: int) -> Tensor:
    """Student's t of 3 degrees of freedom."""
    return normal(n) / (normal(n, 3).square().mean(1, keepdim=True)).sqrt()


def exponential(n: int) -> Tensor:
    """Rate 2."""
    return torch.empty(n, 1, dtype=F64).exponential_(2)


def simplex(n: int) -> Tensor:
    """Dirichlet variables of the parameters 1, 2 and 3."""
    return torch.from_numpy(np.random.default_rng(0).dirichlet([1, 2, 3], n))


class Dirichlet(nn.Module):
    """The energy of these variables."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3) to (N,)."""
        return -x.log() @ torch.tensor([0.0, 1, 2], dtype=x.dtype)


def normal_score(x: Tensor) -> Tensor:
    return -x


def student_score(x: Tensor) -> Tensor:
    return -4 * x / (3 + x * x)


def rate_score(x: Tensor) -> Tensor:
    return torch.full_like(x, -2)


def p_values(model: Callable[[Tensor], Tensor], sampler: Sampler, n: int, tests: int, **options: object) -> Tensor:
    return torch.tensor([stein_test(model, sampler(n), replicas=200, **options).p_value for _ in range(tests)])


def test_the_kernel_is_steins_operator_on_both_sides() -> None:
    """Automatic differentiation of ``h_i(x) h_i(y) k(x, y)``, for scores and weights that are any functions."""
    x, width = normal(5, 3), 1.3

    def score(x: Tensor) -> Tensor:
        return -(x**3) + x.flip(-1).cos()

    def h(x: Tensor) -> Tensor:
        return x.square() / (1 + x.square())

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return h(x) * h(y) * (1 + (x - y).square().sum() / width**2) ** -0.5

    slope = torch.func.vmap(torch.func.jacrev(h))(x).diagonal(dim1=1, dim2=2)
    points = Points(x, h(x) * score(x) + slope, h(x))
    found = stein_kernel(points.rows(0, 2), points, width)
    mixed = torch.func.jacrev(torch.func.jacrev(kernel, 0), 1)
    for i in range(2):
        for j in range(5):
            a, b = x[i], x[j]
            by_a, by_b = (torch.func.jacrev(kernel, side)(a, b).diagonal() for side in (0, 1))
            both = torch.stack([mixed(a, b)[d, d, d] for d in range(3)])
            terms = score(a) * score(b) * kernel(a, b) + score(a) * by_b + score(b) * by_a + both
            assert float(found[i, j]) == pytest.approx(float(terms.sum()), rel=1e-10)


@pytest.mark.parametrize(("mean", "std"), [(0.5, 1.0), (0.0, 1.4)])
def test_the_discrepancy_of_normal_densities(mean: float, std: float) -> None:
    """It is ``E f(x) f(y) k(x, y)`` with ``f`` the difference of the scores: an integral over two variables."""
    z, width = torch.linspace(-8, 8, 801, dtype=F64), 1.5
    x = mean + std * z
    weight = torch.exp(-0.5 * z**2) * (-x + z / std)
    kernel = (1 + (x[:, None] - x).square() / width**2) ** -0.5
    truth = weight @ kernel @ weight * (0.02**2 / (2 * math.pi))
    draws = [stein_test(normal_score, mean + std * normal(200), bandwidth=width, replicas=1) for _ in range(100)]
    check_mean(torch.tensor([draw.statistic for draw in draws], dtype=F64), truth)


TRUE = {
    "normal": (normal_score, normal, {}),
    "in three dimensions": (normal_score, lambda n: normal(n, 3), {}),
    "Student": (student_score, student, {}),
    "exponential": (rate_score, exponential, {"domain": "positive"}),
}


@pytest.mark.parametrize("name", TRUE)
def test_the_true_model_is_rejected_as_often_as_the_level_says(name: str) -> None:
    model, sampler, options = TRUE[name]
    p = p_values(model, sampler, 80, 1000, **options)
    for level in (0.05, 0.2, 0.5):
        assert abs(float((p <= level).double().mean()) - level) < 3 * math.sqrt(level * (1 - level) / len(p))


WRONG = {
    "Student's t data": (normal_score, lambda n: student(n) / math.sqrt(3), {}),
    "normal data": (lambda x: math.sqrt(3) * student_score(math.sqrt(3) * x), normal, {}),
    "wrong variance": (normal_score, lambda n: 1.4 * normal(n), {}),
    "wrong rate": (lambda x: 1.6 * rate_score(x), exponential, {"domain": "positive"}),
    "no domain": (rate_score, exponential, {}),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_model_is_rejected(name: str) -> None:
    model, sampler, options = WRONG[name]
    assert float((p_values(model, sampler, 400, 20, **options) <= 0.05).double().mean()) >= 0.75


def test_the_weights_of_separated_modes_are_not_seen() -> None:
    """As the documentation says: a model with the weights 0.5 and 0.5, of data with 0.1 and 0.9."""
    x = normal(500) + torch.where(torch.rand(500, 1) < 0.1, -10.0, 10.0)
    assert stein_test(lambda x: 10 * torch.tanh(10 * x) - x, x, replicas=200).p_value > 0.05


def test_energies_blocks_and_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """All give what the score gives at once."""
    energy, x = sm.Sequential(sm.layers.Square(), sm.Sum(0.5)).double(), normal(50, 4)

    def tested(model: nn.Module | Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, float]:
        found = stein_test(model, x, replicas=100, generator=torch.Generator().manual_seed(1))
        return found.statistic, found.p_value

    expected = tested(normal_score, x)
    assert tested(energy, x) == pytest.approx(expected, rel=1e-10)
    assert tested(normal_score, x.view(50, 1, 2, 2)) == pytest.approx(expected, rel=1e-10)
    monkeypatch.setattr(goodness_of_fit, "_PAIRS", 350)
    assert tested(normal_score, x) == pytest.approx(expected, rel=1e-10)


def test_proportions() -> None:
    x = simplex(300)
    assert stein_test(Dirichlet(), x, domain="simplex").p_value > 0.05
    assert stein_test(Dirichlet(), x.flip(1), domain="simplex").p_value < 0.01


BAD = {
    "sphere": ({"domain": "sphere"}, ValueError, "no kernel for the domain Sphere"),
    "circle": ({"domain": "circle"}, ValueError, "no kernel for the domain Circle"),
    "outside": ({"domain": "positive"}, ValueError, "samples are outside of the domain"),
    "simplex": ({"domain": "simplex"}, TypeError, "needs an energy"),
    "bandwidth": ({"bandwidth": 0.0}, ValueError, "bandwidth must be a number above 0, got 0.0"),
    "replicas": ({"replicas": 0}, ValueError, "replicas must be an integer of 1 or more, got 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_named(name: str) -> None:
    options, kind, message = BAD[name]
    x = simplex(10) if name == "simplex" else normal(10)
    with pytest.raises(kind, match=message):
        stein_test(normal_score, x, **options)


def test_bad_data_are_named() -> None:
    with pytest.raises(ValueError, match="median distance between samples is 0"):
        stein_test(normal_score, torch.zeros(10, 1))
    with pytest.warns(sm.losses.DomainWarning, match="lowest value of input 0"):
        stein_test(rate_score, exponential(1000), replicas=10)
