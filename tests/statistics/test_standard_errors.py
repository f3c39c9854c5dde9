"""The covariance of the closed form, compared with theory, repeated fits, and a sandwich of loss gradients."""

from __future__ import annotations

import math

import pytest
import torch
from linear_energies import QUARTIC, gaussian, gradient, quartic, quartic_samples

import scorematching as sm
from scorematching.layers import LogCosh, SiLU, Tanh


@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_the_standard_error_of_a_gaussian(lam: float) -> None:
    """A = m + 2 lam, and psi = theta (x^2 + 2 lam) - 1 has variance 2 theta^2 m^2; together 2 theta^4 m^2 / n."""
    x = torch.randn(100_000, 1, dtype=torch.float64) * 1.7
    found = sm.fit_closed_form(gaussian(), x, lam=lam)
    expected = math.sqrt(2 / len(x)) * found.estimate.item() ** 2 * 1.7**2
    assert found.standard_errors.item() == pytest.approx(expected, rel=0.03)
    wider = torch.stack([x, torch.randn_like(x)], 2)  # an input of weight 0 has no effect
    again = sm.fit_closed_form(gaussian(), wider, lam=lam, weight=torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(again.standard_errors, found.standard_errors)


def test_the_parameters_of_an_exponential_family_are_recovered() -> None:
    truth = (-1.0, 2.0)  # two wells
    found = sm.fit_closed_form(quartic(), quartic_samples(truth, 50_000), parameters=QUARTIC)
    assert ((found.estimate - torch.tensor(truth)).abs() < 4 * found.standard_errors).all()
    assert (found.standard_errors < 0.1).all()


def test_standard_errors_equal_the_spread_of_repeated_fits() -> None:
    fits = [sm.fit_closed_form(quartic(), quartic_samples((0.5, 1.0), 1000), parameters=QUARTIC) for _ in range(200)]
    spread = torch.stack([fit.estimate for fit in fits]).std(0)
    claimed = torch.stack([fit.standard_errors for fit in fits]).mean(0)
    torch.testing.assert_close(claimed, spread, rtol=0.15, atol=0)


def test_the_covariance_with_deep_features_and_weights() -> None:
    """The energy has two hidden layers, and a branch ``E_0`` that is not fitted. The sandwich uses loss gradients."""
    edges = [
        ("x", sm.Linear(4, 6), "a"),
        ("a", Tanh(), "b"),
        ("b", sm.Linear(6, 5), "c"),
        ("c", SiLU(), "d"),
    ]
    edges += [("d", sm.Linear(5, 1), "e"), ("e", sm.Sum(), "energy")]
    edges += [("x", LogCosh(), "f"), ("f", sm.WeightedSum(4), "energy")]
    energy, name, lam = sm.Graph(edges).double(), "layers.4.weight", 0.5
    x, weight = torch.randn(60, 4, dtype=torch.float64), torch.rand(60, 4, dtype=torch.float64)
    found = sm.fit_closed_form(energy, x, lam=lam, parameters=[name], weight=weight)
    assert gradient(energy, name, x, lam, weight).abs().max() < 1e-8
    slopes = torch.stack([gradient(energy, name, x[[i]], lam, weight[[i]]) for i in range(60)])
    rows = []
    for unit in torch.eye(5, dtype=torch.float64):  # the gradient is linear, so a step of 1 gives a row of A
        with torch.no_grad():
            energy.layers[4].weight.copy_(found.estimate + unit)
        rows.append(gradient(energy, name, x, lam, weight))
    inverse = torch.linalg.inv(torch.stack(rows))
    torch.testing.assert_close(found.covariance, inverse @ (slopes.T @ slopes / 60) @ inverse / 60, rtol=1e-6, atol=0)
