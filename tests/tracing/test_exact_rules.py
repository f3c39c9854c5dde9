"""Operations that become several layers: exact derivatives, accuracy for data of any size, and planted wrong rules."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from tracing_cases import CASES, Case, chain, dense, image

import scorematching as sm
from scorematching.checks import brute_force
from scorematching.curvature import Coloring, measured_field
from scorematching.curvature.objective import Objective, sm_value
from scorematching.tracing import products

SEVERAL = (
    "products", "quotients", "products of functions", "products with itself", "silu", "norms by hand", "LayerNorm",
    "LayerNorm of maps", "RMSNorm", "GroupNorm", "InstanceNorm", "logsumexp", "softmax", "logaddexp", "signals",
    "signals strided",
)  # fmt: skip


def errors(case: Case) -> tuple[float, float]:
    """Relative errors of the loss and its gradients by the graph, against automatic differentiation of the module."""
    module, shape = case
    module, x = module.double(), torch.randn(2, *shape, dtype=torch.float64)
    parameters = list(module.parameters())
    d, h = brute_force(module, x)
    expected = sm_value(d, h.diagonal(dim1=1, dim2=2).view_as(x), Objective.of(0.1, None, None)).mean()
    loss = sm.score_matching_loss(sm.from_torch(module, x), x, lam=0.1)
    by_graph, by_module = (
        torch.cat([g.flatten() for g in torch.autograd.grad(value, parameters, materialize_grads=True)])
        for value in (loss, expected)
    )
    return float((loss / expected - 1).detach().abs()), float((by_graph - by_module).norm() / by_module.norm())


@pytest.mark.parametrize("name", SEVERAL)
def test_the_loss_and_its_gradients_are_those_of_the_module(name: str) -> None:
    assert max(errors(CASES[name]())) < 1e-10


class WrongDerivative(products.Product):
    """A product whose third derivative is wrong by a millionth."""

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As in the base class, except for the error."""
        f1, f2, f3 = super().derivatives(x)
        return f1, f2, f3 - 1e-6 * f1


def test_planted_wrong_rules_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "Product", WrongDerivative)
    assert max(errors(CASES["products with itself"]())) > 1e-10
    monkeypatch.setattr(products, "Exp", sm.layers.Softplus)
    with pytest.raises(ValueError, match="the graph returns the energies"):
        sm.from_torch(chain(nn.LayerNorm(4)))


def test_a_product_with_the_sigmoid_is_silu_and_functions_of_one_value_keep_the_recursion_exact() -> None:
    kinds = [type(layer).__name__ for layer in sm.from_torch(CASES["silu"]()[0]).layers]
    assert "SiLU" in kinds
    graph = sm.from_torch(dense(lambda m, h: h * torch.tanh(m.gain * h) / (1 + h.square()))[0])
    assert sm.exactness_report(graph).exact


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("norm", ["LayerNorm(64, 1e-12)", "GroupNorm(4, 64, 1e-12)", "RMSNorm(64, 1e-12)"])
def test_normalization_is_accurate_in_float32_for_data_of_any_size(norm: str, size: float) -> None:
    module = nn.Sequential(eval(f"nn.{norm}"), nn.Tanh(), nn.Linear(64, 1))
    graph, x = sm.from_torch(module, torch.rand(1, 64)), size * torch.randn(8, 64)
    found = derivatives(graph, x)
    for one, exact in zip(found, derivatives(graph.double(), x.double()), strict=True):
        assert float((one - exact).norm() / exact.norm()) < 3e-6


@torch.no_grad()
def derivatives(graph: sm.Graph, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The energies, the score and the diagonal of the Hessian."""
    return graph(x), sm.score(graph, x), sm.hessian_diagonal(graph, x, "coloring")


@pytest.mark.parametrize("size", [1e2, 1e6])
def test_logarithms_of_sums_do_not_overflow(size: float) -> None:
    module = nn.Sequential(dense(lambda m, h: h.logsumexp(1, keepdim=True) + h.softmax(1))[0])
    x = size * torch.randn(4, 4)
    graph = sm.from_torch(module)
    torch.testing.assert_close(graph(x), module(x), rtol=1e-5, atol=1e-5)
    assert bool(sm.score_matching_loss(graph, x).isfinite())


def test_the_receptive_field_of_signals_is_known() -> None:
    module = nn.Sequential(nn.Conv1d(2, 3, 3), nn.SiLU(), nn.Conv1d(3, 2, 5, 2), nn.Softplus(), sm.Sum()).double()
    x = torch.randn(2, 2, 23, dtype=torch.float64)
    graph = sm.from_torch(module)
    assert Coloring().distance(graph, x) == measured_field(module, x[:1]) == (7,)
    sm.check_gradients(graph, x, curvature="coloring")


def test_softmax_over_channels_keeps_the_receptive_field() -> None:
    module, shape = image(lambda m, h: h.softmax(1) * h.logsumexp(1, keepdim=True))
    graph = sm.from_torch(module, torch.zeros(1, *shape))
    assert Coloring().distance(graph, torch.zeros(1, *shape)) == (3, 3)
