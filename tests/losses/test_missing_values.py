"""Parameters recovered from data with missing values, and the warning where that fails."""

from __future__ import annotations

import warnings

import pytest
import torch
from missing_values import (
    PRECISION,
    Opaque,
    at_random,
    expectation_maximization,
    gaussian,
    gaussian_samples,
    minimize,
    sandwich_errors,
)
from torch import Tensor

import scorematching as sm
from scorematching.losses import MissingnessWarning

FAR = "input 1 is missing more often where input 0 is far from its mean"


def fitted_gaussian(x: Tensor, **options: object) -> sm.energies.Gaussian:
    energy = sm.energies.Gaussian(3).double()
    minimize(list(energy.parameters()), lambda: sm.marginal_score_matching_loss(energy, x, **options))
    return energy


def fitted_precision(x: Tensor, **options: object) -> tuple[Tensor, Tensor]:
    """Precision matrix and its standard errors, both on the diagonal and above."""
    energy = fitted_gaussian(x, **options)
    errors = sandwich_errors(
        list(energy.parameters()), lambda: sm.marginal_score_matching_loss(energy, x, reduction="none", **options)
    )
    return energy.interaction.detach(), errors[:6]


def above(matrix: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(3, 3)
    return matrix[rows, columns]


def by_maximum_likelihood(x: Tensor) -> Tensor:
    return above(torch.linalg.inv(expectation_maximization(x)[1]))


def test_a_gaussian_from_values_missing_completely_at_random() -> None:
    x = at_random(gaussian_samples(4000))
    found, errors = fitted_precision(x)
    assert float(errors.max()) < 0.1
    assert bool(((found - above(PRECISION)).abs() < 4 * errors).all())
    assert bool(((found - by_maximum_likelihood(x)).abs() < 2 * errors).all())


def selected(samples: int) -> Tensor:
    """Samples of the Gaussian whose second and third entries are missing if the first is large."""
    x = gaussian_samples(samples)
    for column, slope in ((1, 3.0), (2, 2.0)):
        x[:, column][torch.rand(samples) < torch.sigmoid(slope * (x[:, 0] - 1))] = torch.nan
    return x


def test_a_gaussian_from_values_missing_by_a_known_cause() -> None:
    """Complete cases are biased, and so is the loss without the cause. With it, the fit is as that of EM."""
    x = selected(4000)
    found, errors = fitted_precision(x, causes=[0])
    assert bool(((found - above(PRECISION)).abs() < 4 * errors).all())
    assert bool(((found - by_maximum_likelihood(x)).abs() < 3 * errors).all())
    complete = sm.energies.Gaussian(3).double()
    sm.fit_closed_form(complete, x[~x.isnan().any(1)])
    with pytest.warns(MissingnessWarning, match=r"where input 0 is large.*causes=\[0"):
        without = fitted_gaussian(x)
    for biased in (complete, without):
        assert float(((biased.interaction.detach() - above(PRECISION)).abs() / errors).max()) > 8


def test_inverse_probabilities_remove_the_bias_too() -> None:
    x = gaussian_samples(20_000)
    chance = 0.2 + 0.6 * torch.sigmoid(3 * (x[:, 0] - 1))  # of a missing second entry
    missing = torch.rand(len(x)) < chance
    x[:, 1][missing] = torch.nan
    weight = 1 / torch.where(missing, chance, 1 - chance)
    energy = gaussian()
    start = energy.interaction.detach().clone()

    def loss() -> Tensor:
        return (weight * sm.marginal_score_matching_loss(energy, x, reduction="none")).mean()

    with pytest.warns(MissingnessWarning):
        minimize(list(energy.parameters()), loss)
    torch.testing.assert_close(energy.interaction.detach(), start, rtol=0, atol=0.1)


def test_draws_have_the_minimum_of_the_exact_loss() -> None:
    x, energy = at_random(gaussian_samples(500)), gaussian()
    exact, errors = fitted_precision(x)
    hidden = Opaque(energy)
    minimize(
        list(energy.parameters()),
        lambda: sm.marginal_score_matching_loss(hidden, x, generator=torch.Generator().manual_seed(0)),
    )
    assert bool(((energy.interaction.detach() - exact).abs() < 0.3 * errors).all())


FILTERS = torch.tensor([[1.0, 0.9], [0.3, 1.2]], dtype=torch.float64)


def student_t(samples: int) -> tuple[sm.energies.ProductOfStudentT, Tensor]:
    """A product of two experts of weight 3, and its samples: the responses of the filters are Student-t."""
    energy = sm.energies.ProductOfStudentT(2, 2).double()
    with torch.no_grad():
        energy.filters.copy_(FILTERS)
        energy.weights.fill_(3.0)
    responses = torch.distributions.StudentT(torch.tensor(5.0, dtype=torch.float64)).sample((samples, 2))
    return energy, 0.4**0.5 * responses @ torch.linalg.inv(FILTERS).T


def test_filters_of_a_product_of_student_t() -> None:
    """Recovered by draws; with weights of 0 for the missing entries they are far off."""
    energy, x = student_t(4000)
    x = at_random(x)

    def losses(reduction: str = "none") -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return sm.marginal_score_matching_loss(energy, x, samples=40, generator=generator, reduction=reduction)

    minimize([energy.filters], lambda: losses("mean"))
    errors = sandwich_errors([energy.filters], losses).view(2, 2)
    assert float(errors.max()) < 0.1
    assert bool(((energy.filters.detach() - FILTERS).abs() < 4 * errors).all())
    seen = ~x.isnan()
    filled = torch.where(seen, x, 0.0)
    minimize([energy.filters], lambda: sm.score_matching_loss(energy, filled, weight=seen.double()))
    assert float(((energy.filters.detach() - FILTERS).abs() / errors).max()) > 5


def test_dependence_on_the_size_is_seen_once_and_independence_is_not() -> None:
    energy, x = student_t(2000)
    y = x.clone()
    y[:, 1][(x[:, 0].abs() > 1) & (torch.rand(2000) < 0.5)] = torch.nan
    with pytest.warns(MissingnessWarning, match=FAR):
        sm.marginal_score_matching_loss(energy, y, samples=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sm.marginal_score_matching_loss(energy, y, samples=20)
        for _ in range(20):
            energy, x = student_t(1000)
            sm.marginal_score_matching_loss(energy, at_random(x), samples=20)
