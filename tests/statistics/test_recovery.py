"""Statistical truth: known parameters are recovered from samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import scorematching as sm
from benchmarks.problems import PROBLEMS, Gaussian, Problem, fit_fully, precision, recovery_errors


@pytest.mark.parametrize("dim", [2, 5])
def test_the_precision_of_a_gaussian_is_that_of_maximum_likelihood(dim: int) -> None:
    """For Gaussians the minimum of the score matching loss is the inverse of the sample's second moments."""
    mixing = torch.eye(dim, dtype=torch.float64) + 0.3 * torch.randn(dim, dim, dtype=torch.float64)
    x = torch.randn(500, dim, dtype=torch.float64) @ mixing.T
    energy = Gaussian(dim, repeats=1).energy()
    fit_fully(energy, x)
    torch.testing.assert_close(precision(energy), torch.linalg.inv(x.T @ x / len(x)), rtol=1e-5, atol=1e-6)


def test_lam_shrinks_the_precision_as_computed_by_hand() -> None:
    """In one dimension J = p^2 m / 2 - p + lam p^2, with second moment m, is least at p = 1 / (m + 2 lam)."""
    x = torch.randn(1000, 1, dtype=torch.float64) * 0.5
    energy = Gaussian(1, repeats=1).energy()
    fit_fully(energy, x, lam=0.2)
    expected = 1 / (x.square().mean() + 2 * 0.2)
    torch.testing.assert_close(precision(energy)[0, 0], expected, rtol=1e-6, atol=0)


def test_a_student_t_of_learned_scale_is_recovered() -> None:
    """Independent Student-t of 5 degrees of freedom: E = 3 log(1 + x^2 / 5), weight and scale learned."""
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
    """Mean errors at 2,000 and at 32,000 samples: a ratio of 4, within a factor of 1.5, and the latter small.

    One error is of relative standard deviation 0.5 (Gaussian of D = 2, Student-t), 0.2 (ICA) or less, and ``repeats``
    makes that of the ratio 0.12 at most: the factor is about three of them. At D = 100 the expected ratio is 4.4, since
    at n = 2,000 terms of the next order, D / n, still count. ``largest`` is 1.2 to 1.5 times what is expected, by
    theory, sqrt((D + 1) / n), for the Gaussians, and as measured, 0.018 and 0.031, for the others.
    """
    few, many = (np.mean(recovery_errors(problem, n)) for n in (2_000, 32_000))
    assert 4 / 1.5 < few / many < 4 * 1.5
    assert many < largest


@pytest.mark.parametrize("problem", PROBLEMS[:3], ids=[problem.name for problem in PROBLEMS[:3]])
def test_errors_of_gaussians_are_those_of_the_inverse_wishart(problem: Problem) -> None:
    """For every n the mean squared error of maximum likelihood is known exactly; here n is 1,000.

    The measured one has about as many degrees of freedom as there are free entries in all the precisions, ``k``, and
    so a relative standard deviation of about sqrt(2 / k); four of those are allowed.
    """
    n, dim = 1_000, problem.dim
    p = (problem.unmixing.T @ problem.unmixing).numpy()
    rest = n - dim - 1
    square = n**2 * (np.trace(p) ** 2 + rest * np.sum(p * p)) / ((rest + 1) * rest * (rest - 2))
    expected = square / np.sum(p * p) - 2 * n / rest + 1
    k = problem.repeats * dim * (dim + 1) / 2
    assert np.mean(np.square(recovery_errors(problem, n))) == pytest.approx(expected, rel=4 * np.sqrt(2 / k))
