"""Other packages' conventions, each worked out independently for a Gaussian."""

from __future__ import annotations

import pytest
import torch

import scorematching as sm
from scorematching.conventions import DKEF, JNGIAM, PYLEARN2_SM, SCORE_MATCHING_JL

PRECISION = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)


@pytest.fixture
def energy() -> sm.Graph:
    """E = sum_i p_i x_i^2 / 2, whose gradient is p_i x_i and whose curvature is p_i."""
    model = sm.Sequential(sm.Square(), sm.Scale(3), sm.Sum(0.5)).double()
    with torch.no_grad():
        model.layers[1].weight.copy_(PRECISION)
    return model


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(20, 3, dtype=torch.float64)


def theirs(x: torch.Tensor, penalty: float) -> torch.Tensor:
    """Each input's term of the loss, of each sample, shape (20, 3), by the score of log p and its slope."""
    score, slope = -PRECISION * x, -PRECISION.expand_as(x)
    return 0.5 * score**2 + slope + penalty * slope**2


def test_pylearn2_takes_the_mean_over_inputs(energy: sm.Graph, x: torch.Tensor) -> None:
    value = theirs(x, 0.2).mean()
    ours = sm.score_matching_loss(energy, x, PYLEARN2_SM.lam_to_ours(0.2))
    torch.testing.assert_close(PYLEARN2_SM.loss_to_ours(value, dim=3), ours)
    torch.testing.assert_close(PYLEARN2_SM.loss_from_ours(ours, dim=3), value)


def test_dkef_halves_the_penalty(energy: sm.Graph, x: torch.Tensor) -> None:
    value = theirs(x, 0.6 / 2).sum(1).mean()  # lambda_C = 0.6
    ours = sm.score_matching_loss(energy, x, DKEF.lam_to_ours(0.6))
    torch.testing.assert_close(DKEF.loss_to_ours(value, dim=3), ours)
    assert DKEF.lam_from_ours(0.3) == pytest.approx(0.6)


@pytest.mark.parametrize("convention", [SCORE_MATCHING_JL, JNGIAM])
def test_those_that_equal_ours(convention: sm.Convention, energy: sm.Graph, x: torch.Tensor) -> None:
    value = theirs(x, 0.2).sum(1).mean()
    ours = sm.score_matching_loss(energy, x, convention.lam_to_ours(0.2))
    torch.testing.assert_close(convention.loss_to_ours(value, dim=3), ours)


def test_the_sign_of_the_score(energy: sm.Graph, x: torch.Tensor) -> None:
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(leaf).sum(), leaf)
    convention, ours = sm.Convention(score_sign=-1), sm.score(energy, x)
    torch.testing.assert_close(convention.score_to_ours(gradient), ours)
    torch.testing.assert_close(convention.score_from_ours(ours), gradient)
    torch.testing.assert_close(PYLEARN2_SM.score_to_ours(-PRECISION * x), ours)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": "max"}, "inputs must be 'sum' or 'mean', got 'max'"),
        ({"lam_factor": 0.0}, "lam_factor must be a number above 0, got 0"),
        ({"score_sign": 2}, "score_sign must be 1 or -1, got 2"),
    ],
)
def test_bad_conventions_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.Convention(**options)
