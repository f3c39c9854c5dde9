"""The closed form: exact minima, and input that is refused."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from linear_energies import gaussian, gradient

import scorematching as sm
from benchmarks.problems import fit_fully
from scorematching.layers import PointwiseFunction, Square, StudentTMixture, Tanh
from scorematching.statistics import sample_losses


@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_the_precision_of_a_gaussian_in_one_dimension(lam: float) -> None:
    """J = theta^2 m / 2 - theta + lam theta^2 has its minimum -theta / 2 at theta = 1 / (m + 2 lam)."""
    x = torch.randn(200, 1, dtype=torch.float64) * 1.7
    energy = gaussian()
    found = sm.fit_closed_form(energy, x, lam=lam)
    expected = 1 / (x.square().mean() + 2 * lam)
    torch.testing.assert_close(found.estimate[0], expected, rtol=1e-13, atol=0)
    torch.testing.assert_close(energy.layers[1].weight[0], expected, rtol=1e-13, atol=0)
    assert found.loss == pytest.approx(-0.5 * expected.item())


def test_the_precision_matrix_of_a_gaussian() -> None:
    """The squares of x_i and x_i + x_j span all quadratic forms, so the fit is the inverse of the second moments."""
    rows = [torch.eye(3)[i] for i in range(3)]
    rows += [one + two for one, two in itertools.combinations(rows, 2)]
    filters = torch.stack(rows).double()
    energy = sm.Sequential(sm.Linear(3, 6, bias=False), Square(), sm.WeightedSum(6)).double()
    energy.layers[0].weight.requires_grad_(False).copy_(filters)
    x = torch.randn(400, 3, dtype=torch.float64) @ torch.randn(3, 3, dtype=torch.float64)
    weights = sm.fit_closed_form(energy, x).estimate
    torch.testing.assert_close(2 * filters.T * weights @ filters, torch.linalg.inv(x.T @ x / 400), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("lam", [0.0, 0.1])
def test_an_optimizer_finds_no_lower_loss(lam: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data are independent Student-t variables; the second fit uses batches of three samples."""
    x = torch.distributions.StudentT(5.0).sample((300, 2)).double()
    energy = sm.Sequential(sm.Linear(2, 2), StudentTMixture(2, (0.5, 1.0, 4.0)), sm.Sum()).double()
    energy.layers[0].requires_grad_(False)
    found = sm.fit_closed_form(energy, x, lam=lam, parameters=["layers.1.weight"])
    assert gradient(energy, "layers.1.weight", x, lam, None).abs().max() < 1e-8
    assert sm.score_matching_loss(energy, x, lam=lam).item() == pytest.approx(found.loss, abs=1e-10)
    with torch.no_grad():
        energy.layers[1].weight.fill_(1 / 3)
    fit_fully(energy, x, lam)
    assert sm.score_matching_loss(energy, x, lam=lam).item() >= found.loss - 1e-10
    monkeypatch.setattr(sample_losses, "BYTES", 3 * 48 * 7 * 2)
    again = sm.fit_closed_form(energy, x, lam=lam, parameters=["layers.1.weight"])
    torch.testing.assert_close(again.estimate, found.estimate)
    torch.testing.assert_close(again.covariance, found.covariance)


def test_the_default_is_the_last_weight() -> None:
    energy, x = sm.Sequential(sm.Linear(2, 30), Tanh(), sm.Linear(30, 1), sm.Sum()), torch.randn(500, 2)
    before = energy.layers[2].bias.item()
    found = sm.fit_closed_form(energy, x)
    assert list(found.shapes) == ["layers.2.weight"]
    estimate, errors = found.by_name()["layers.2.weight"]
    torch.testing.assert_close(energy.layers[2].weight, estimate.float())
    assert errors.shape == (1, 30)
    assert energy.layers[2].bias.item() == before
    assert "layers.2.weight[0, 19]" in str(found)
    assert str(found).endswith("... and 10 more")


BAD = {
    "not linear": ({"parameters": ["layers.0.weight"]}, ValueError, "not linear in layers.0.weight"),
    "not linear together": ({"parameters": ["layers.0.bias", "layers.2.weight"]}, ValueError, "not linear in"),
    "unknown name": ({"parameters": ["weight"]}, ValueError, "no parameter 'weight'; it has layers.0.weight"),
    "no name": ({"parameters": []}, ValueError, "no parameter to fit"),
    "unseen": (
        {"parameters": ["layers.2.weight", "layers.2.bias"]},
        ValueError,
        r"not depend on 1 .*layers.2.bias\[0\]",
    ),
    "too few data": ({"x": torch.ones(1, 2)}, ValueError, "2 of the 4 directions of the parameters are not determined"),
    "not finite": ({"x": torch.full((5, 2), math.nan)}, ValueError, "10 entries that are NaN"),
    "random": ({"curvature": "hutchinson"}, ValueError, "must not be random, got Hutchinson"),
    "no module": ({"energy": len}, TypeError, "got builtin_function"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_and_changes_nothing(name: str) -> None:
    change, kind, message = BAD[name]
    energy = sm.Sequential(sm.Linear(2, 4), Tanh(), sm.Linear(4, 1), sm.Sum())
    before = {n: p.clone() for n, p in energy.named_parameters()}
    with pytest.raises(kind, match=message):
        sm.fit_closed_form(**({"energy": energy, "x": torch.randn(50, 2)} | change))
    assert all(torch.equal(p, before[n]) for n, p in energy.named_parameters())


def test_derivatives_that_are_not_finite_are_refused() -> None:
    energy = sm.Sequential(PointwiseFunction(torch.sqrt, lambda x: 0.5 / x.sqrt()), sm.WeightedSum(1))
    with pytest.raises(ValueError, match=r"derivatives at x that are NaN or infinite, with layers.1.weight at 0 or 1"):
        sm.fit_closed_form(energy, torch.tensor([[0.0], [1.0]]))
