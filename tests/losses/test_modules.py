"""Modules whose layers are not seen: measured fields, chunks, inference mode."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tracing_cases import Attention

import scorematching as sm
from scorematching.checks.cases import make_network
from scorematching.curvature import Coloring, measured_field

CHUNKS = {"auto": "auto", "coloring": "coloring", "coloring, in chunks": Coloring(memory=1)}


def deep_module() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.SiLU(), nn.Conv2d(3, 2, 3, padding=1), nn.Softplus(), nn.Flatten(), Total()
    ).double()


class Total(nn.Module):
    """The sum of a sample, shape (N, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) to (N, 1)."""
        return x.sum(1, keepdim=True)


@pytest.mark.parametrize("method", CHUNKS)
def test_any_module(method: str) -> None:
    """A module whose layers are not seen: its field is measured, and there are as many products as the field has."""
    energy, x = deep_module(), torch.randn(2, 1, 9, 8, dtype=torch.float64)
    assert measured_field(energy, x[:1]) == (5, 5)
    sm.check_gradients(energy, x, lam=0.1, curvature=CHUNKS[method])
    sm.check_gradients(energy, x, lam=0.1, curvature=Coloring(field=(5, 6)))
    wrong = sm.hessian_diagonal(energy, x, Coloring(field=(3, 3)))
    assert (wrong - sm.hessian_diagonal(energy, x)).abs().max() > 1e-6
    loss = sm.score_matching_loss(energy, x, lam=0.1, curvature="hutchinson") + sm.sliced_score_matching_loss(energy, x)
    (loss + sm.denoising_score_matching_loss(energy, x, 0.1)).backward()
    assert all(bool(p.grad.isfinite().all()) for p in energy.parameters() if p.grad is not None)


class _Growing(nn.Module):
    """A module whose depth, and so its field, is a setting."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)])
        self.depth = 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) to (N,)."""
        for part in self.parts[: self.depth]:
            x = nn.functional.softplus(part(x))
        return x.flatten(1).sum(1)


def test_a_field_that_has_grown_since_it_was_measured_is_noticed() -> None:
    network, x = _Growing().double(), torch.randn(1, 1, 12, 12, dtype=torch.float64)
    sm.score_matching_loss(network, x)
    network.depth = 3
    with pytest.raises(ValueError, match=r"inputs at a distance of \(3, 3\) are coupled.* if _Growing has changed"):
        sm.score_matching_loss(network, x)


class Hiding(nn.Module):
    """A module that stops NaN, at three positions from where it came in."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N,)."""
        return (x[..., 3:].nan_to_num() * x[..., :-3].nan_to_num()).sum((1, 2, 3))


def test_the_field_of_a_module_that_hides_nan_is_found() -> None:
    assert measured_field(Hiding(), torch.zeros(1, 1, 4, 9)) == (1, 4)


@pytest.mark.parametrize("name", ["FoE", "two convolutions", "convolution and transpose", "disjoint pooling"])
def test_the_field_measured_is_the_field_known(name: str) -> None:
    energy, x, _ = make_network(name)
    known = Coloring().distance(energy, x)
    measured = measured_field(energy, x[:1])
    assert all(m <= k for m, k in zip(measured, known, strict=True))
    assert max(measured) > 1


def test_inference_mode_gives_the_same() -> None:
    network = deep_module()
    x = torch.randn(2, 1, 9, 8, dtype=torch.float64)
    outside = sm.score(network, x), sm.hessian_diagonal(network, x)
    with torch.inference_mode():
        torch.testing.assert_close((sm.score(network, x), sm.hessian_diagonal(network, x)), outside)
        made = x * 1
        torch.testing.assert_close((sm.score(network, made), sm.hessian_diagonal(network, made)), outside)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(7, 4, 3), (16, 16, 8), (5, 1, 2)])
def test_the_field_of_strided_modules_is_measured(kernel: int, stride: int, padding: int) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, kernel, stride, padding), nn.Softplus(), sm.Sum()).double()
    assert measured_field(network, torch.zeros(1, 1, 48, 50, dtype=torch.float64)) == (kernel, kernel)


def test_a_chunk_without_gradients_and_one_that_is_asked_twice() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    fixed = sm.Sequential(sm.Linear(3, 2), sm.Sum()).requires_grad_(False)
    sm.score_matching_loss(fixed, x, curvature=Coloring(memory=1)).backward()
    assert x.grad is None or float(x.grad.abs().max()) == 0


@pytest.mark.parametrize("curvature", ["auto", "hutchinson"])
def test_attention_needs_the_kernel_with_second_derivatives(curvature: str) -> None:
    fused, plain = (Attention(need_weights).double() for need_weights in (False, True))
    plain.load_state_dict(fused.state_dict())
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    with pytest.raises(RuntimeError, match=r"implemented: call .*torch.nn.attention.sdpa_kernel\(SDPBackend.MATH\)"):
        sm.score_matching_loss(fused, x, curvature=curvature)
    gradients = []
    for network in (fused, plain):
        torch.manual_seed(0)
        with sdpa_kernel(SDPBackend.MATH):
            sm.score_matching_loss(network, x, curvature=curvature).backward()
        gradients.append(network.attention.in_proj_weight.grad)
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)
