"""Annealed importance sampling: known normalizers come back, within stated standard errors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import scorematching as sm
from scorematching.layers import Square
from scorematching.sampling import SamplingWarning, log_normalizer

F64 = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixed(rows: Tensor, *layers: torch.nn.Module) -> sm.Graph:
    """Return an energy of the responses to the rows of a matrix."""
    linear = sm.Linear(*rows.shape, bias=False)
    with torch.no_grad():
        linear.weight.copy_(rows)
    return sm.Sequential(linear, *layers).double()


def test_gaussian_in_five_dimensions() -> None:
    """Entries in very different units, from a base of another mean and of twice the width."""
    units = torch.tensor([1e-2, 1e-1, 1.0, 1e1, 1e2])
    rows = (torch.eye(5) + 0.1 * torch.randn(5, 5, generator=generator(1))) / units
    mean, std = (0.5 * units).double(), (2 * units).double()
    found = log_normalizer(mixed(rows, Square(), sm.Sum(0.5)), mean, std, steps=50, generator=generator())
    truth = 2.5 * math.log(2 * math.pi) - float(rows.double().slogdet()[1])
    assert abs(found.value - truth) < 4 * found.standard_error < 0.12
    assert found.effective_sample_size > 500


def student_t() -> tuple[sm.Graph, float]:
    """Return two mixed experts, ``(1 + u^2 / 2)^-2`` and ``(1 + u^2 / 2)^-3``, and their ``log Z``."""
    rows, last = torch.tensor([[1.0, 0.5], [-0.3, 0.8]]), sm.WeightedSum(2)
    with torch.no_grad():
        last.weight.copy_(torch.tensor([2.0, 3.0]))
    each = [0.5 * math.log(2 * math.pi) + math.lgamma(a - 0.5) - math.lgamma(a) for a in (2, 3)]
    return mixed(rows, sm.StudentT(), last), sum(each) - math.log(1.0 * 0.8 + 0.3 * 0.5)


def test_product_of_student_t_experts() -> None:
    """Thirty estimates: right within their standard errors, which are right themselves."""
    energy, truth = student_t()
    z = []
    for seed in range(30):
        found = log_normalizer(
            energy,
            torch.zeros(2, dtype=F64),
            torch.full((2,), 1.5, dtype=F64),
            steps=25,
            chains=400,
            generator=generator(seed),
        )
        assert found.standard_error < 0.1
        assert 200 < found.effective_sample_size < 400
        z.append((found.value - truth) / found.standard_error)
    assert max(map(abs, z)) < 4
    assert 0.6 < torch.tensor(z).std() < 1.5
    assert abs(torch.tensor(z).mean()) < 4 / 30**0.5


def test_unequal_weights_are_told() -> None:
    narrow = mixed(1e3 * torch.eye(5), Square(), sm.Sum(0.5))
    with pytest.warns(SamplingWarning, match=r"the weights of 50 chains are worth only \d"):
        log_normalizer(narrow, torch.zeros(5, dtype=F64), torch.ones(5, dtype=F64), chains=50, steps=2)


def test_bad_input_is_named_and_the_same_generator_gives_the_same_estimate() -> None:
    energy, mean, std, seen = student_t()[0], torch.zeros(2, dtype=F64), torch.ones(2, dtype=F64), []
    estimates = [log_normalizer(energy, mean, std, steps=3, chains=9, generator=generator(s)) for s in (0, 0, 1)]
    assert estimates[0] == estimates[1] != estimates[2]
    log_normalizer(energy, mean, std, steps=3, chains=9, progress=seen.append)
    assert [(state.step, state.steps) for state in (seen[0], seen[-1])] == [(1, 6), (6, 6)]
    with pytest.raises(ValueError, match=r"std must be a tensor of the shape of mean, \(2,\), finite and above 0"):
        log_normalizer(energy, mean, 0 * std)
    with pytest.raises(ValueError, match="steps must be an integer of 1 or more, got 0"):
        log_normalizer(energy, mean, std, steps=0)
    with pytest.raises(TypeError, match="to accept or reject moves needs an energy"):
        log_normalizer(lambda x: -x, mean, std)
    logarithm = sm.layers.PointwiseFunction(torch.log, lambda x: 1 / x, lambda x: -(x**-2), lambda x: 2 * x**-3)
    with pytest.raises(ValueError, match="the energy is not finite at samples of the base"):
        log_normalizer(sm.Sequential(logarithm, sm.Sum()), mean, std)
