"""The Fisher divergence, compared with its closed form."""

from __future__ import annotations

import pytest
import torch
from linear_energies import gaussian

import scorematching as sm
from scorematching.statistics import fisher_divergence
from scorematching.statistics.scores import parts_of

F64 = torch.float64


def normal() -> sm.Sequential:
    return sm.Sequential(sm.layers.Square(), sm.Sum(0.5)).double()


def test_the_divergence_of_normal_densities() -> None:
    """From N(m, C) to the standard normal it is ``(|m|^2 + tr C + tr C^-1 - 2 D) / 2``."""
    mean = torch.tensor([0.5, -1.0], dtype=F64)
    factor = torch.tensor([[1.5, 0.0], [0.4, 0.7]], dtype=F64)
    covariance = factor @ factor.T
    precision = torch.linalg.inv(covariance)
    truth = 0.5 * float(mean @ mean + covariance.trace() + precision.trace() - 4)
    reference = sm.energies.Gaussian(2).double()
    rows, columns = torch.triu_indices(2, 2)
    reference.interaction.data.copy_(precision[rows, columns])
    reference.linear.data.copy_(precision @ mean)
    x = mean + torch.randn(20_000, 2, dtype=F64) @ factor.T
    found = fisher_divergence(normal(), x, reference)
    assert abs(found.value - truth) < 4 * found.standard_error
    assert found.standard_error < 0.03 * truth
    by_function = fisher_divergence(normal(), x, lambda x: (mean - x) @ precision)
    assert by_function.value == pytest.approx(found.value, rel=1e-10)


def test_the_standard_error_is_the_spread() -> None:
    found = [fisher_divergence(normal(), 2 * torch.randn(300, 1, dtype=F64), lambda x: -x / 4) for _ in range(200)]
    values, errors = torch.tensor([(one.value, one.standard_error) for one in found]).T
    assert float(errors.mean()) == pytest.approx(float(values.std()), rel=0.15)


def test_large_data_are_read_in_parts() -> None:
    x = torch.randn(70, 1, 64, 64)
    assert [len(part) for part in parts_of(x)] == [64, 6]
    energy = sm.Sequential(sm.layers.Square(), sm.Sum(0.5))
    assert fisher_divergence(energy, x, lambda x: -x).value == 0


BAD = {
    "score as energy": (lambda x: fisher_divergence(lambda x: -x, x, lambda x: -x), TypeError, "energy must be"),
    "number": (lambda x: fisher_divergence(gaussian(), x, 3.0), TypeError, "a function that returns scores, got float"),
    "shape": (
        lambda x: fisher_divergence(gaussian(), x, lambda x: x.sum(1)),
        ValueError,
        r"scores must have the shape of x, \(4, 1\), got \(4,\)",
    ),
    "pole": (
        lambda x: fisher_divergence(gaussian(), x, lambda x: 1 / (x - x[1])),
        ValueError,
        r"scores of 1 of 4 samples are NaN or infinite, the first is x\[1\]",
    ),
    "one sample": (
        lambda x: fisher_divergence(gaussian(), x[:1], gaussian()),
        ValueError,
        "two samples or more, got 1",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name: str) -> None:
    call, kind, message = BAD[name]
    with pytest.raises(kind, match=message):
        call(torch.randn(4, 1, dtype=F64))
