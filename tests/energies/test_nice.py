"""NICE as a graph, compared with NICE and its recursion written in plain PyTorch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import scorematching as sm
from scorematching.checks import CheckError, check_layer
from scorematching.energies import NICE
from scorematching.layers import Scale
from scorematching.layers.base import Local

pytestmark = pytest.mark.recorded

DIM, HIDDEN, COUPLINGS = 6, 7, 3


@pytest.fixture
def energy() -> NICE:
    energy = NICE(DIM, HIDDEN, COUPLINGS).double()
    with torch.no_grad():
        for parameter in energy.parameters():
            parameter.copy_(0.6 * torch.randn_like(parameter))
    return energy


def weights(energy: NICE) -> tuple[list[sm.Linear], Tensor]:
    """Return the two linear layers of each coupling, and the scale."""
    linear = [layer for layer in energy.layers if isinstance(layer, sm.Linear)]
    (scale,) = (layer for layer in energy.layers if isinstance(layer, Scale))
    return linear, scale.weight


def flow(energy: NICE, x: Tensor) -> Tensor:
    """Compute ``z`` from ``x``."""
    linear, scale = weights(energy)
    for i in range(COUPLINGS):
        first, second = linear[2 * i : 2 * i + 2]
        kept, moved = (slice(i % 2, None, 2), slice(1 - i % 2, None, 2))
        y = x.clone()
        inner = F.softplus(x[:, kept] @ first.weight.T + first.bias)
        y[:, moved] = x[:, moved] + inner @ second.weight.T + second.bias
        x = y
    return scale * x


def recursion(energy: NICE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Compute ``d`` and ``d2`` at the data, coupling by coupling from the end, as in the published code."""
    linear, scale = weights(energy)
    inputs = []
    for i in range(COUPLINGS):
        inputs.append(x)
        kept, moved = (slice(i % 2, None, 2), slice(1 - i % 2, None, 2))
        first, second = linear[2 * i : 2 * i + 2]
        y = x.clone()
        y[:, moved] = x[:, moved] + F.softplus(x[:, kept] @ first.weight.T + first.bias) @ second.weight.T + second.bias
        x = y
    t = torch.tanh(scale * x / 2)
    d, d2 = scale * t, scale**2 * (1 - t * t) / 2
    for i in reversed(range(COUPLINGS)):
        kept, moved = (slice(i % 2, None, 2), slice(1 - i % 2, None, 2))
        first, second = linear[2 * i : 2 * i + 2]
        s = torch.sigmoid(inputs[i][:, kept] @ first.weight.T + first.bias)
        hidden, hidden2 = d[:, moved] @ second.weight, d2[:, moved] @ second.weight**2
        inner, inner2 = s * hidden, s**2 * hidden2 + s * (1 - s) * hidden
        d, d2 = d.clone(), d2.clone()
        d[:, kept] = d[:, kept] + inner @ first.weight
        d2[:, kept] = d2[:, kept] + inner2 @ first.weight**2
    return d, d2


def test_the_energy_agrees_with_the_flow(energy: NICE) -> None:
    """The energy is the negative log density of a logistic distribution, and the couplings preserve volume."""
    x = torch.randn(5, DIM, dtype=torch.float64)
    z = flow(energy, x)
    torch.testing.assert_close(energy(x), (F.softplus(z) + F.softplus(-z)).sum(1) - DIM * torch.log(torch.tensor(4.0)))
    jacobian = torch.func.jacrev(lambda one: flow(energy, one[None])[0])(x[0])
    torch.testing.assert_close(jacobian.det().abs(), weights(energy)[1].prod().abs())


@pytest.mark.parametrize("lam", [0.0, 0.2])
@pytest.mark.filterwarnings("ignore::scorematching.curvature.ApproximationWarning")
def test_gradients_of_the_recursion_agree_with_autograd(energy: NICE, lam: float) -> None:
    x = torch.randn(5, DIM, dtype=torch.float64)
    d, d2 = recursion(energy, x)
    torch.testing.assert_close(d, -sm.score(energy, x))
    value = (0.5 * d**2 - d2 + lam * d2**2).sum(1).mean()
    parameters = list(energy.parameters())
    expected = torch.autograd.grad(value, parameters, allow_unused=True)
    sm.score_matching_loss(energy, x, lam=lam, curvature="diagonal").backward()
    for parameter, gradient in zip(parameters, expected, strict=True):
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found, torch.zeros_like(parameter) if gradient is None else gradient)


class _Unsquared(sm.Linear):
    """The error of the published code: sweep 3 applies ``W`` to ``a2`` instead of ``W∘W``."""

    def push_a2(self, local: Local, a2: Tensor | None) -> Tensor | None:
        return None if a2 is None else self.linear(a2, self.weight)


def test_the_error_of_the_published_code_is_found(energy: NICE) -> None:
    linear = next(layer for layer in energy.layers if isinstance(layer, sm.Linear))
    wrong = _Unsquared(*linear.weight.shape[::-1]).double()
    energy.layers[list(energy.layers).index(linear)] = wrong
    with pytest.raises(CheckError, match="layers"):
        sm.check_gradients(energy, torch.randn(5, DIM))
    with pytest.raises(CheckError, match="a2"):
        check_layer(wrong, torch.randn(2, DIM // 2))
