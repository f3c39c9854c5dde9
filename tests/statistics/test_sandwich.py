"""Standard errors of any model: the sandwich against the closed form and theory, and the bootstrap."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from linear_energies import QUARTIC, quartic, quartic_samples
from torch import nn

import scorematching as sm
from scorematching.statistics import NotAtMinimumWarning, bootstrap, standard_errors


@pytest.mark.parametrize("wrapped", [False, True], ids=["graph", "module"])
@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_a_linear_energy_has_the_covariance_of_the_closed_form(lam: float, wrapped: bool) -> None:
    torch.manual_seed(0)
    energy, x = quartic(), quartic_samples((0.5, 1.0), 400)
    weight = torch.rand(400, dtype=torch.float64)
    options: dict[str, Any] = {"lam": lam, "weight": weight}
    expected = sm.fit_closed_form(energy, x, parameters=QUARTIC, **options)
    found = standard_errors(nn.Sequential(energy) if wrapped else energy, x, **options)
    torch.testing.assert_close(found.covariance, expected.covariance, rtol=1e-10, atol=0)
    torch.testing.assert_close(found.estimate, expected.estimate)
    assert found.loss == pytest.approx(expected.loss, rel=1e-10)
    assert math.prod(found.interval(0.9)[0].tolist()) < found.estimate[0] ** 2


def test_the_filter_of_a_normal_distribution() -> None:
    """Score matching of ``(w x + b)^2 / 2`` is maximum likelihood: the variance of ``w`` tends to ``w^2 / 2 N``."""
    x = 3 + 2 * torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    energy = sm.Sequential(sm.Linear(1, 1), sm.layers.Square(), sm.Sum(0.5)).double()
    w = 1 / x.std(correction=0)
    with torch.no_grad():
        energy.layers[0].weight.fill_(w)
        energy.layers[0].bias.fill_(-w * x.mean())
    found = standard_errors(energy, x)
    assert found.standard_errors[0].item() == pytest.approx(w.item() / math.sqrt(2 * len(x)), rel=0.03)
    free = bootstrap(lambda x: 1 / x.std(0, correction=0), x, replicas=400, generator=torch.Generator().manual_seed(1))
    assert free.standard_errors.item() == pytest.approx(found.standard_errors[0].item(), rel=0.12)
    low, high = free.interval()[0].tolist()
    assert low < w < high


def test_positive_data() -> None:
    """The rate of ``E = rate x`` as the square of a parameter: the delta method gives its standard error."""
    torch.manual_seed(0)
    x = torch.distributions.Exponential(2.0).sample((500, 1)).double()
    linear = sm.Sequential(sm.layers.Scale(1), sm.Sum()).double()
    expected = sm.fit_closed_form(linear, x, domain="positive")

    class Squared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.root = nn.Parameter(expected.estimate.sqrt())
            self.constant = nn.Parameter(torch.ones((), dtype=torch.float64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.root**2 * x.sum(1) + self.constant

    found = standard_errors(Squared(), x, domain="positive")
    assert list(found.shapes) == ["root"]  # the constant is seen by no loss
    delta = expected.standard_errors / (2 * expected.estimate.sqrt())
    torch.testing.assert_close(found.standard_errors, delta, rtol=1e-10, atol=0)


def test_the_bootstrap_may_fit_one_model_again_and_again() -> None:
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    gaussian = sm.energies.Gaussian(2)

    def linear(x: torch.Tensor) -> torch.Tensor:
        sm.fit_closed_form(gaussian, x)
        return gaussian.linear

    errors = bootstrap(linear, x, replicas=60, generator=torch.Generator().manual_seed(1)).standard_errors
    assert ((errors > 0.045) & (errors < 0.075)).all()  # 1 / root of 300
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 95"):
        bootstrap(linear, x, replicas=2).interval(95)
    with pytest.raises(TypeError, match="x must be a torch tensor, got ndarray"):
        bootstrap(linear, x.numpy())


def test_what_does_not_hold_is_named() -> None:
    x = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    energy = sm.energies.ProductOfStudentT(3, 3)
    with pytest.warns(NotAtMinimumWarning, match=r"Newton step moves layers\.\d\.weight\[.*\] by .* standard errors"):
        standard_errors(energy, x, parameters=["layers.2.weight"])
    flat = sm.Sequential(sm.Linear(1, 1), sm.Linear(1, 1), sm.layers.Square(), sm.Sum())  # only the product counts
    with pytest.raises(ValueError, match="no unique minimum"):
        standard_errors(flat, x[:, :1], parameters=["layers.0.weight", "layers.1.weight"])
    with pytest.raises(ValueError, match="5199 parameters are too many for a covariance"):
        standard_errors(sm.energies.MLP(1, (100, 49)), x[:, :1])
    with pytest.raises(ValueError, match="estimate must return finite numbers"):
        bootstrap(lambda x: x / 0, x, replicas=2)
