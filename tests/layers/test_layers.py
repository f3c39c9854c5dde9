"""Each rule of each layer against automatic differentiation, and planted wrong rules."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import scorematching as sm
from scorematching.checks import CheckError, check_layer
from scorematching.checks.cases import LAYERS, make_layer
from scorematching.layers import ConvTranspose2d, PointwiseFunction, Power, Tanh, correlation
from scorematching.layers.base import Sides


@pytest.mark.parametrize("name", LAYERS)
def test_every_rule_agrees_with_autograd(name: str) -> None:
    layer, x = make_layer(name)
    errors = check_layer(layer, x)
    parameters = [n for n, p in layer.named_parameters() if p.requires_grad]
    assert set(errors) == {
        "sweep 2: d",
        "sweep 2: d2",
        "sweep 3: a",
        "sweep 3: a2",
        "sweep 4: c",
        "columns: J^T",
        "columns: J",
        *(f"{rules}: {n}" for rules in ("sweep 4", "columns") for n in ("c", *parameters)),
    }
    assert max(errors.values()) < 1e-10


@pytest.mark.parametrize("name", LAYERS)
def test_the_score_rule_agrees_with_the_full_rule(name: str) -> None:
    layer, x = make_layer(name)
    d = torch.randn_like(layer(x))
    alone, whole = (layer.pull_d(layer.local(x, curvature), d) for curvature in (False, True))
    torch.testing.assert_close(alone, whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", LAYERS)
def test_sweep_3_is_the_adjoint_of_sweep_2(name: str) -> None:
    layer, x = make_layer(name)
    local, y = layer.local(x), layer(x).detach()
    d, d2, a, a2 = (torch.randn_like(t) for t in (y, y, x, x))
    at_source = (a * layer.pull_d(local, d)).sum() + (a2 * layer.pull_d2(local, d, d2)).sum()
    at_target = (d * layer.push_a(local, a, a2)).sum()
    pushed = layer.push_a2(local, a2)
    assert pushed is not None
    torch.testing.assert_close(at_source, at_target + (d2 * pushed).sum(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", LAYERS)
def test_one_sample_and_strides_give_the_same_values(name: str) -> None:
    layer, x = make_layer(name)
    strided = x.movedim(0, -1).contiguous().movedim(-1, 0)
    torch.testing.assert_close(layer(strided), layer(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(layer(x[:1]), layer(x)[:1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [sm.Conv2d, ConvTranspose2d])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 6), (20, 20), (20, 1)])
def test_both_paths_of_a_convolution_agree_with_torch(
    kind: type[sm.Conv2d], stride: int, large: bool, inputs: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large correlations with few output channels go by blocks of pixels, all others directly."""
    calls: list[object] = []
    in_blocks = correlation._in_blocks
    monkeypatch.setattr(correlation, "_in_blocks", lambda *a: (calls.append(a), in_blocks(*a))[1])
    if large:
        monkeypatch.setattr(correlation, "FEW", 0)
    layer = kind(inputs, outputs, 3, stride=stride, padding=1, bias=False).double()
    reference_kind = torch.nn.Conv2d if kind is sm.Conv2d else torch.nn.ConvTranspose2d
    reference = reference_kind(inputs, outputs, 3, stride, 1, bias=False)
    reference.weight = torch.nn.Parameter(layer.weight.detach().clone())
    x = torch.randn(2, inputs, 7, 6, dtype=torch.float64, requires_grad=True)
    y = reference(x)
    torch.testing.assert_close(layer(x), y)
    up = torch.randn_like(y)
    by_x, by_weight = torch.autograd.grad(y, (x, reference.weight), up)
    torch.testing.assert_close(layer.adjoint(up, layer.weight, x.shape), by_x)
    torch.testing.assert_close(layer.outer(up, x), by_weight)
    assert bool(calls) == (large and stride == 1 and min(inputs, outputs) < 16)


class _WrongD(Tanh):
    def pull_d(self, local: tuple, d: Tensor) -> Tensor:
        return super().pull_d(local, d) * 1.001


class _WrongD2(Tanh):
    def pull_d2(self, local: tuple, d: Tensor, d2: Tensor | None) -> Tensor | None:
        return super().pull_d2(local, torch.zeros_like(d), d2)  # omits f'' d


class _WrongA(Tanh):
    def push_a(self, local: tuple, a: Tensor | None, a2: Tensor | None) -> Tensor | None:
        return super().push_a(local, a, None)  # omits f'' a2


class _WrongA2(sm.Linear):
    def push_a2(self, local: tuple, a2: Tensor | None) -> Tensor | None:
        return super().push_a(local, a2, None)  # uses W instead of W∘W


class _WrongC(Tanh):
    def pull_c(self, local: tuple, sides: Sides) -> Tensor | None:
        return super().pull_c(local._replace(f3=torch.zeros_like(local.f3)), sides)  # forgets f'''


class _WrongGradient(sm.Linear):
    def gradients(self, local: tuple, sides: Sides) -> dict[str, Tensor]:
        found = super().gradients(local, sides)
        return found | {"weight": found["weight"] - self.outer(sides.d2, sides.a2) * self.weight}  # lacks the factor 2


PLANTED = {
    "sweep 2: d ": _WrongD,
    "sweep 2: d2 ": _WrongD2,
    "sweep 3: a ": _WrongA,
    "sweep 3: a2 ": lambda: _WrongA2(4, 3),
    "sweep 4: c ": _WrongC,
    "sweep 4: weight ": lambda: _WrongGradient(4, 3),
}


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_wrong_rule_is_found_and_named(rule: str) -> None:
    with pytest.raises(CheckError, match=rule):
        check_layer(PLANTED[rule](), torch.randn(3, 4))


@pytest.mark.parametrize("name", ["Linear", "Conv2d", "StudentTMixture"])
def test_a_frozen_parameter_has_no_gradient(name: str) -> None:
    layer, x = make_layer(name)
    layer.requires_grad_(False)
    assert not [rule for rule in check_layer(layer, x) if rule.endswith(("weight", "bias"))]


def test_power_refuses_the_root_of_a_negative_number() -> None:
    energy = sm.Sequential(Power(0.5), sm.Sum())
    with pytest.raises(ValueError, match=r"Power on edge 0 \(x -> g1\): x\^0.5 needs x > 0"):
        energy(-torch.ones(2, 3))


def test_missing_derivatives_of_a_function_give_a_warning() -> None:
    with pytest.warns(UserWarning, match="2 of its 3 derivatives by automatic differentiation"):
        PointwiseFunction(torch.sin, torch.cos)
    with pytest.raises(TypeError, match="expected functions, got float"):
        PointwiseFunction(1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at most three derivatives, got 4"):
        PointwiseFunction(*[torch.sin] * 5)
