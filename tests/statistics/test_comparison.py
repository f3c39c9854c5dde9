"""The comparison of two models, with known differences of J."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch import Tensor, nn

import scorematching as sm
from scorematching.losses import RepeatedValuesWarning
from scorematching.statistics import compare, fisher_divergence

F64 = torch.float64


class Power(nn.Module):
    """``E(x) = factor * sum |x|^power / power``."""

    def __init__(self, factor: float, power: int = 2) -> None:
        super().__init__()
        self.factor, self.power = factor, power

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) to (N,)."""
        return self.factor / self.power * x.abs().pow(self.power).sum(1)


def test_the_difference_is_that_of_the_fisher_divergences() -> None:
    """Of normal data: ``D (a - 1)^2 / 2`` for a precision a, and ``D E (b x^3 - x)^2 / 2`` for a fourth power."""
    x = torch.randn(40_000, 2, dtype=F64)
    found = compare(Power(0.7), Power(0.3, 4), x)
    truth = (0.7 - 1) ** 2 - (15 * 0.3**2 - 2 * 3 * 0.3 + 1)
    assert abs(found.difference - truth) < 4 * found.standard_error
    divergences = [fisher_divergence(energy, x, lambda x: -x).value for energy in (Power(0.7), Power(0.3, 4))]
    assert abs(found.difference - (divergences[0] - divergences[1])) < 4 * found.standard_error
    assert str(found).startswith("the first model is better")


def test_p_values_of_models_that_are_equally_good_are_uniform() -> None:
    """The precisions 0.8 and 1.2 have the same divergence from a standard normal density."""
    p = torch.tensor([compare(Power(0.8), Power(1.2), torch.randn(500, 1, dtype=F64)).p_value for _ in range(300)])
    for level in (0.05, 0.5):
        assert abs(float((p <= level).double().mean()) - level) < 3 * math.sqrt(level * (1 - level) / len(p))


def test_the_order_of_the_models_and_a_model_with_itself() -> None:
    x = torch.randn(100, 1, dtype=F64)
    one, other = compare(Power(1.0), Power(2.0), x, lam=0.1), compare(Power(2.0), Power(1.0), x, lam=0.1)
    assert (one.difference, one.z, one.p_value) == (-other.difference, -other.z, other.p_value)
    losses = [sm.score_matching_loss(Power(a), x, lam=0.1).item() for a in (1.0, 2.0)]
    assert one.difference == pytest.approx(losses[0] - losses[1], rel=1e-12)
    same = compare(Power(1.0), Power(1.0), x)
    assert (same.difference, same.z, same.p_value) == (0, 0, 1)
    assert str(same).startswith("neither model is clearly better")


def test_bounded_data() -> None:
    """Of an exponential density of rate 1: ``E h ((a - 1)^2 - (b - 1)^2) / 2``, with ``h = min(x, 1)^2``."""
    x = torch.empty(20_000, 1, dtype=F64).exponential_()
    found = compare(Power(0.8, 1), Power(1.5, 1), x, domain="positive")
    mean_h = 2 - 5 / math.e + 1 / math.e
    truth = 0.5 * mean_h * (0.2**2 - 0.5**2)
    assert abs(found.difference - truth) < 4 * found.standard_error
    assert found.p_value < 1e-6
    with pytest.warns(sm.losses.DomainWarning, match="lowest value of input 0"):
        compare(Power(0.8, 1), nn.Identity(), x)


def test_repeated_values_are_named() -> None:
    x = torch.randn(1000, 3, dtype=F64)
    x[:, 2] = (16 * x[:, 2]).round() / 16
    with pytest.warns(RepeatedValuesWarning, match="values of 1 of 3 inputs repeat, the first is input 2"):
        compare(Power(1.0), Power(0.5), x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(Power(1.0), Power(0.5), x, lam=0.01)


def test_bad_input_is_named() -> None:
    x = torch.randn(10, 1, dtype=F64)
    with pytest.raises(TypeError, match="second must be a torch module that returns energies, got function"):
        compare(Power(1.0), lambda x: -x, x)
    with pytest.raises(ValueError, match="loss of the first model is NaN or infinite"):
        compare(Power(math.inf), Power(1.0), x)
