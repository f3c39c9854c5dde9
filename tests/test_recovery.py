"""Statistical truth: known parameters are recovered from samples."""

from __future__ import annotations

import math

import pytest
import torch

import scorematching as sm


def fit_fully(energy: sm.Graph, x: torch.Tensor, lam: float = 0.0) -> None:
    """Minimise the loss on all of ``x`` by L-BFGS."""
    optimizer = torch.optim.LBFGS(
        energy.parameters(), max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = sm.score_matching_loss(energy, x, lam)
        loss.backward()
        return loss

    optimizer.step(closure)


def gaussian(dim: int) -> sm.Graph:
    """E = |W x|^2 / 2, whose precision is W^T W."""
    return sm.Sequential(sm.Linear(dim, dim, bias=False), sm.Square(), sm.Sum(0.5)).double()


def precision(energy: sm.Graph) -> torch.Tensor:
    weight: torch.Tensor = energy.layers[0].weight.detach()
    return weight.T @ weight


@pytest.mark.parametrize("dim", [2, 5])
def test_the_precision_of_a_gaussian_is_that_of_maximum_likelihood(dim: int) -> None:
    """For Gaussians the minimum of the score matching loss is the inverse of the sample's second moments."""
    mixing = torch.eye(dim, dtype=torch.float64) + 0.3 * torch.randn(dim, dim, dtype=torch.float64)
    x = torch.randn(500, dim, dtype=torch.float64) @ mixing.T
    energy = gaussian(dim)
    fit_fully(energy, x)
    torch.testing.assert_close(precision(energy), torch.linalg.inv(x.T @ x / len(x)), rtol=1e-5, atol=1e-6)


def test_lam_shrinks_the_precision_as_computed_by_hand() -> None:
    """In one dimension J = p^2 m / 2 - p + lam p^2, with second moment m, is least at p = 1 / (m + 2 lam)."""
    x = torch.randn(1000, 1, dtype=torch.float64) * 0.5
    energy = gaussian(1)
    fit_fully(energy, x, lam=0.2)
    expected = 1 / (x.square().mean() + 2 * 0.2)
    torch.testing.assert_close(precision(energy)[0, 0], expected, rtol=1e-6, atol=0)


def test_errors_fall_as_one_over_the_root_of_n() -> None:
    """The error of a Gaussian's precision from 400 and from 25,600 samples: a factor of 8, within a factor of 1.6."""
    mixing = torch.tensor([[1.0, 0.5], [0.0, 0.8]], dtype=torch.float64)
    truth = torch.linalg.inv(mixing @ mixing.T)
    means = []
    for samples in (400, 25_600):
        squares = []
        for _ in range(12):
            energy = gaussian(2)
            fit_fully(energy, torch.randn(samples, 2, dtype=torch.float64) @ mixing.T)
            squares.append((precision(energy) - truth).square().sum().item())
        means.append(math.sqrt(sum(squares) / len(squares)))
    assert 8 / 1.6 < means[0] / means[1] < 8 * 1.6


def test_an_ica_mixing_matrix_is_recovered() -> None:
    """Sources of density 1 / cosh: the unmixing filters come back, up to order and sign."""
    dim, samples = 3, 30_000
    uniform = torch.rand(samples, dim, dtype=torch.float64)
    sources = torch.log(torch.tan(math.pi / 2 * uniform))  # the hyperbolic secant's quantile function, unit E''
    unmixing = torch.eye(dim, dtype=torch.float64) + 0.4 * torch.randn(dim, dim, dtype=torch.float64)
    energy = sm.Sequential(sm.Linear(dim, dim, bias=False), sm.LogCosh(), sm.Sum()).double()
    with torch.no_grad():
        energy.layers[0].weight.copy_(torch.eye(dim) + 0.05 * torch.randn(dim, dim))
    fit_fully(energy, sources @ torch.linalg.inv(unmixing).T)
    found: torch.Tensor = energy.layers[0].weight.detach()
    product = found @ torch.linalg.inv(unmixing)  # a signed permutation, if all is well
    best = product.abs().max(dim=1)
    assert sorted(best.indices.tolist()) == [0, 1, 2]
    torch.testing.assert_close(best.values, torch.ones(dim, dtype=torch.float64), rtol=0.05, atol=0)
    assert (product.abs().sum(1) - best.values).max().item() < 0.1


def test_a_product_of_student_t_is_recovered() -> None:
    """Independent Student-t of 5 degrees of freedom: E = 3 log(1 + x^2 / 5), weight and scale learned."""
    x = torch.distributions.StudentT(5.0).sample((60_000, 1)).double()
    energy = sm.Sequential(sm.StudentT(learn_scale=True), sm.WeightedSum(1)).double()
    fit_fully(energy, x)
    scale, weight = energy.layers[0].scale.abs().item(), energy.layers[1].weight.item()
    assert weight == pytest.approx(3.0, rel=0.1)
    assert scale**2 == pytest.approx(2.5, rel=0.15)
