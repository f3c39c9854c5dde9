"""Known parameters are recovered from samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import scorematching as sm
from benchmarks.problems import PROBLEMS, Gaussian, Problem, fit_fully, precision, recovery_errors


@pytest.mark.parametrize("dim", [2, 5])
def test_the_precision_of_a_gaussian_equals_maximum_likelihood(dim: int) -> None:
    """For a Gaussian, the minimum of the loss is the inverse of the second moments of the samples."""
    mixing = torch.eye(dim, dtype=torch.float64) + 0.3 * torch.randn(dim, dim, dtype=torch.float64)
    x = torch.randn(500, dim, dtype=torch.float64) @ mixing.T
    energy = Gaussian(dim, repeats=1).energy()
    fit_fully(energy, x)
    torch.testing.assert_close(precision(energy), torch.linalg.inv(x.T @ x / len(x)), rtol=1e-5, atol=1e-6)


def test_lam_shrinks_the_precision_as_computed_by_hand() -> None:
    """In one dimension J = p^2 m / 2 - p + lam p^2, with second moment m, has its minimum at p = 1 / (m + 2 lam)."""
    x = torch.randn(1000, 1, dtype=torch.float64) * 0.5
    energy = Gaussian(1, repeats=1).energy()
    fit_fully(energy, x, lam=0.2)
    expected = 1 / (x.square().mean() + 2 * 0.2)
    torch.testing.assert_close(precision(energy)[0, 0], expected, rtol=1e-6, atol=0)


def test_weight_and_scale_of_a_student_t_are_recovered() -> None:
    """The samples have 5 degrees of freedom, so the true energy is E = 3 log(1 + x^2 / 5)."""
    x = torch.distributions.StudentT(5.0).sample((60_000, 1)).double()
    energy = sm.Sequential(sm.StudentT(learn_scale=True), sm.WeightedSum(1)).double()
    fit_fully(energy, x)
    scale, weight = energy.layers[0].scale.abs().item(), energy.layers[1].weight.item()
    assert weight == pytest.approx(3.0, rel=0.1)
    assert scale**2 == pytest.approx(2.5, rel=0.15)


@pytest.mark.parametrize(
    ("problem", "largest"),
    list(zip(PROBLEMS, (0.012, 0.022, 0.07, 0.025, 0.045), strict=True)),
    ids=[problem.name for problem in PROBLEMS],
)
def test_errors_fall_as_one_over_the_root_of_n(problem: Problem, largest: float) -> None:
    """The ratio of the mean errors at 2,000 and 32,000 samples is 4, within a factor of 1.5; the second is small.

    The relative standard deviation of one error is 0.5 (Gaussian of D = 2, Student-t), 0.2 (ICA) or less. With
    ``repeats`` fits, that of the ratio is at most 0.12, so the factor allows about three standard deviations. At
    D = 100 the expected ratio is 4.4, because terms of order D / n matter at n = 2,000. ``largest`` is 1.2 to 1.5 times
    the expected error: sqrt((D + 1) / n) by theory for the Gaussians, and 0.018 and 0.031 as measured for the others.
    """
    few, many = (np.mean(recovery_errors(problem, n)) for n in (2_000, 32_000))
    assert 4 / 1.5 < few / many < 4 * 1.5
    assert many < largest


@pytest.mark.parametrize("problem", PROBLEMS[:3], ids=[problem.name for problem in PROBLEMS[:3]])
def test_errors_of_gaussians_follow_the_inverse_wishart_distribution(problem: Problem) -> None:
    """The mean squared error of maximum likelihood is known exactly for every n; here n is 1,000.

    The measured error has about ``k`` degrees of freedom, the number of free entries of all precisions. Its relative
    standard deviation is about sqrt(2 / k), and four of them are allowed.
    """
    n, dim = 1_000, problem.dim
    p = (problem.unmixing.T @ problem.unmixing).numpy()
    rest = n - dim - 1
    square = n**2 * (np.trace(p) ** 2 + rest * np.sum(p * p)) / ((rest + 1) * rest * (rest - 2))
    expected = square / np.sum(p * p) - 2 * n / rest + 1
    k = problem.repeats * dim * (dim + 1) / 2
    assert np.mean(np.square(recovery_errors(problem, n))) == pytest.approx(expected, rel=4 * np.sqrt(2 / k))
