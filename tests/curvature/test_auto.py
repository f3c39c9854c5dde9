"""The choice of a curvature method: the warning of the recursion, and ``auto``."""

from __future__ import annotations

import warnings

import pytest
import torch

import scorematching as sm
from scorematching.checks.cases import NETWORKS, make_network
from scorematching.curvature import ApproximationWarning, DiagonalRecursion
from scorematching.curvature.auto import method_named
from scorematching.layers import (
    Flatten,
    Identity,
    Tanh,
)


def test_diagonal_warns_once_where_it_approximates() -> None:
    energy, x, _ = make_network("two hidden layers")
    with pytest.warns(ApproximationWarning, match=r"Linear on edge 2 \(g2 -> g3\) mixes"):
        sm.score_matching_loss(energy, x, curvature="diagonal")
    sm.score_matching_loss(energy, x, curvature="diagonal")
    exact, x, _ = make_network("FoE")
    sm.score_matching_loss(exact, x, curvature="diagonal")
    with warnings.catch_warnings(record=True) as caught:
        sm.score_matching_loss(exact, x)
    assert not caught


@pytest.mark.parametrize("name", NETWORKS)
def test_auto_takes_the_recursion_just_where_it_is_exact(name: str) -> None:
    energy, x, exact = make_network(name)
    assert isinstance(method_named("auto", energy, x), DiagonalRecursion) == exact


def test_auto_follows_a_layer_that_is_replaced() -> None:
    energy = sm.Sequential(sm.Linear(4, 4), Identity(), sm.Linear(4, 4), sm.StudentT(), sm.Sum())
    x = torch.zeros(1, 4)
    assert not isinstance(method_named("auto", energy, x), DiagonalRecursion)
    energy.layers[2] = Identity()
    assert isinstance(method_named("auto", energy, x), DiagonalRecursion)


def test_auto_refuses_what_nobody_can_afford() -> None:
    energy = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(9216, 1), torch.nn.Softplus())
    with pytest.raises(ValueError, match=r"no exact curvature is affordable: .* takes 9216 Hessian-vector products"):
        sm.score_matching_loss(energy, torch.zeros(1, 1, 96, 96))
    wide = sm.Sequential(Flatten(), sm.Linear(9216, 64), Tanh(), sm.Linear(64, 64), Tanh(), sm.Sum())
    with pytest.raises(ValueError, match=r"the cheapest, '\w+', would take .* Choose curvature='hutchinson'"):
        sm.score_matching_loss(wide, torch.zeros(100_000, 1, 1, 1).expand(-1, 1, 96, 96), check_finite=False)
