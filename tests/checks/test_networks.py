"""Whole networks against automatic differentiation and finite differences, and planted wrong rules."""

from __future__ import annotations

import pytest
import torch

import scorematching as sm
from scorematching.checks import CheckError
from scorematching.checks.cases import NETWORKS, make_network
from scorematching.curvature import DiagonalRecursion
from scorematching.curvature.objective import Objective, sm_partials, sm_value
from scorematching.layers import Square
from scorematching.layers.base import Sides
from scorematching.sweeps import State, sweep1, sweep2, sweep3, sweep4

pytestmark = pytest.mark.recorded


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("name", NETWORKS)
def test_four_sweeps_agree_with_autograd(name: str, lam: float) -> None:
    energy, x, _ = make_network(name)
    errors = sm.check_gradients(energy, x, lam=lam)
    assert set(errors) == {"score", "loss", "x", *(n for n, _ in energy.named_parameters())}
    assert max(errors.values()) < 1e-10


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_with_one_sample_with_strides_and_with_weights(name: str) -> None:
    energy, x, _ = make_network(name)
    strided = x.movedim(0, -1).contiguous().movedim(-1, 0)
    sm.check_gradients(energy, x[:1], lam=0.1)
    sm.check_gradients(energy, strided, lam=0.1)
    sm.check_gradients(energy, x, lam=0.1, weight=torch.rand_like(x))
    sm.check_gradients(energy, x, lam=0.1, weight=torch.rand_like(x[0]))


def true_diagonal(energy: sm.Graph, x: torch.Tensor) -> torch.Tensor:
    def one(sample: torch.Tensor) -> torch.Tensor:
        return energy(sample.view(1, *x.shape[1:]))[0]

    return torch.stack([torch.func.hessian(one)(s.flatten()).diagonal().view(s.shape) for s in x])


@pytest.mark.parametrize("name", NETWORKS)
def test_first_and_second_derivatives_of_the_energy(name: str) -> None:
    """``d`` is the gradient. ``d2`` is the diagonal of the Hessian exactly where the case says so."""
    energy, x, exact = make_network(name)
    slope = torch.func.grad(lambda z: energy(z).sum())(x)
    torch.testing.assert_close(-sm.score(energy, x), slope, rtol=1e-10, atol=1e-12)
    diagonal = true_diagonal(energy, x)
    found = DiagonalRecursion().derivatives(energy, x).d2
    error = ((found - diagonal).norm() / diagonal.norm()).item()
    assert error < 1e-10 if exact else error > 1e-3


@pytest.mark.parametrize("name", ["PoE, mixtures", "FoE", "three hidden layers", "residual"])
def test_gradients_agree_with_finite_differences(name: str) -> None:
    """The gradient of the loss agrees with central differences of its value, without automatic differentiation."""
    energy, x, _ = make_network(name)
    sm.score_matching_loss(energy, x, lam=0.2).backward()
    step = 1e-5
    for parameter in energy.parameters():
        direction = torch.randn_like(parameter)
        expected = float((parameter.grad * direction).sum())
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.add_(sign * step * direction)
                values.append(float(sm.score_matching_loss(energy, x, lam=0.2)))
                parameter.sub_(sign * step * direction)
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.filterwarnings("ignore::scorematching.curvature.ApproximationWarning")
@pytest.mark.parametrize("name", ["PoE, Student-t", "FoE", "residual"])
def test_separate_sweeps_of_k_and_l_add_up_to_j(name: str) -> None:
    """The paper's separate sweeps of K, (3)-(4), and L, (5)-(8), add up to the merged sweeps."""
    energy, x, _ = make_network(name)
    lam = 0.3

    def gradients(a: torch.Tensor | None, a2: torch.Tensor | None) -> dict[str, torch.Tensor]:
        sweep3(energy, state, a, a2)
        return sweep4(energy, state)

    with torch.no_grad():
        state = sweep1(energy, x)
        sweep2(energy, state)
        a, a2 = sm_partials(state.d["x"], state.d2["x"], Objective(lam))
        of_k, of_l, of_j = gradients(a, None), gradients(None, a2), gradients(a, a2)
    sm.score_matching_loss(energy, x, lam=lam, curvature=DiagonalRecursion(), reduction="sum").backward()
    for key, parameter in energy.named_parameters():
        parts = [part[key] for part in (of_k, of_l) if key in part]
        merged = of_j.get(key, torch.zeros_like(parameter))
        torch.testing.assert_close(sum(parts, torch.zeros_like(parameter)), merged, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(merged, parameter.grad, rtol=1e-10, atol=1e-12)


def test_the_printed_equation_7_ignores_the_regularizer() -> None:
    """Equation (7) as printed, a' = -1, gives the gradient of the unregularized loss. The check must detect it."""
    energy, x, _ = make_network("PoE, Student-t")
    with torch.no_grad():
        state = sweep1(energy, x)
        sweep2(energy, state)
        sweep3(energy, state, state.d["x"], -torch.ones_like(x))
        printed = sweep4(energy, state)
    weight = energy.layers[0].weight
    by_lam = [
        torch.autograd.grad(sm.score_matching_loss(energy, x, lam=lam, reduction="sum"), weight)[0] for lam in (0, 1)
    ]
    torch.testing.assert_close(printed["layers.0.weight"], by_lam[0], rtol=1e-10, atol=1e-12)
    assert float((printed["layers.0.weight"] - by_lam[1]).norm() / by_lam[1].norm()) > 0.1


def test_the_loss_agrees_with_a_value_computed_by_hand() -> None:
    """E = sum_i x_i^2: delta = 2 x, delta' = 2."""
    energy = sm.Sequential(Square(), sm.Sum())
    x = torch.tensor([[1.0, -3.0]])
    assert sm.score_matching_loss(energy, x, lam=0.5).item() == 0.5 * (4 + 36) + 2 * (-2 + 0.5 * 4)
    d, d2 = 2 * x, torch.full_like(x, 2.0)
    assert sm_value(d, d2, Objective(0.5, torch.tensor([0.0, 1.0]))).tolist() == [18.0 - 2 + 2]


class _WrongInSweep4(sm.StudentT):
    def pull_c(self, local: tuple, sides: Sides) -> torch.Tensor | None:
        return super().pull_c(local, sides._replace(a2=None))


def test_a_wrong_rule_is_found_in_a_network() -> None:
    energy = sm.Sequential(sm.Linear(4, 6), _WrongInSweep4(), sm.WeightedSum(6))
    with pytest.raises(CheckError, match=r"layers\.0\.weight"):
        sm.check_gradients(energy, torch.randn(3, 4))


def test_the_state_keeps_only_values_that_the_loss_depends_on() -> None:
    energy, x, _ = make_network("PoE, Student-t")
    state: State = sweep1(energy, x)
    assert set(state.g) == energy.influential == {"x", "g1"}


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
def test_a_score_keeps_only_slopes(name: str) -> None:
    """``d`` is the same as with all sweeps, and only the shapes of the layers' inputs are kept."""
    energy, x, _ = make_network(name)
    whole, lean = sweep1(energy, x), sweep1(energy, x, curvature=False)
    for number, local in lean.local.items():
        assert local[0].shape == whole.local[number][0].shape
        assert local[0].untyped_storage().nbytes() == x.element_size()
    sweep2(energy, whole)
    sweep2(energy, lean, curvature=False)
    assert set(lean.d) == {energy.input}
    assert not lean.g | lean.local | lean.d2
    torch.testing.assert_close(lean.d[energy.input], whole.d[energy.input], rtol=1e-10, atol=1e-12)
