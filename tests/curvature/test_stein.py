"""Stein's estimate: the gradients of its value, unbiased over the noise, and denoising score matching."""

from __future__ import annotations

import pytest
import torch
from standard_errors import check_mean
from torch import Tensor

import scorematching as sm
from scorematching.checks.cases import make_network
from scorematching.curvature import Choice, Stein

DEEP = ["three hidden layers", "two convolutions", "residual", "shared layer", "parallel edges", "NICE"]


def paired(energy: sm.Graph, x: Tensor, noise: Tensor, weight: Tensor) -> Tensor:
    """The loss of :class:`scorematching.curvature.Stein` by automatic differentiation alone."""
    (d,) = torch.autograd.grad(energy(x).sum(), x, create_graph=True)
    return (weight * (0.5 * d * d - d * noise)).sum()


@pytest.mark.parametrize("name", DEEP)
def test_steins_estimate_has_the_gradients_of_its_value(name: str) -> None:
    energy, x, _ = make_network(name)
    x, noise, weight = x.requires_grad_(), torch.randn_like(x), torch.rand_like(x)
    inputs = (x, *energy.parameters())
    method = Stein(2 * noise, 2**0.5)
    truth = paired(energy, x, noise, weight)
    by_autograd = torch.autograd.grad(truth, inputs, allow_unused=True, materialize_grads=True)
    for reduction in ("sum", "none"):
        value = sm.score_matching_loss(energy, x, curvature=method, weight=weight, reduction=reduction).sum()
        torch.testing.assert_close(value, truth, rtol=1e-10, atol=1e-12)
        found = torch.autograd.grad(value, inputs, allow_unused=True, materialize_grads=True)
        for one, other in zip(found, by_autograd, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["three hidden layers", "two convolutions", "residual"])
def test_steins_estimate_is_unbiased_where_the_noise_is_known(name: str) -> None:
    """Over the noise the loss and its gradient have the means of the exact ones at the same data."""
    energy, y, _ = make_network(name)
    clean, s, weight = y[:1].expand(25, *y.shape[1:]), 0.3, next(energy.parameters())
    generator, losses, slopes = torch.Generator().manual_seed(0), [], []
    for _ in range(100):
        noise = s * torch.randn(clean.shape, dtype=y.dtype, generator=generator)
        ways: list[Choice] = [Stein(noise, s), "full"]
        found, exact = (sm.score_matching_loss(energy, clean + noise, curvature=way) for way in ways)
        losses.append((found - exact).detach())
        slopes.append(torch.autograd.grad(found - exact, weight)[0])
    check_mean(torch.stack(losses), torch.zeros(()))
    check_mean(torch.stack(slopes), torch.zeros_like(weight))


def test_steins_estimate_is_denoising_score_matching() -> None:
    """Up to ``1/2 |n / s^2|^2``, the same loss."""
    energy, x, _ = make_network("skip connection")
    clean, s = x.float(), 0.5
    energy = energy.float()
    n = torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    found = sm.score_matching_loss(energy, clean + s * n, curvature=Stein(s * n, s), reduction="sum")
    whole = sm.denoising_score_matching_loss(energy, clean, s, torch.Generator().manual_seed(3), "sum")
    torch.testing.assert_close(found + 0.5 * (n / s).square().sum(), whole, rtol=1e-5, atol=1e-5)


def test_steins_estimate_says_what_it_can_not() -> None:
    energy, x, _ = make_network("skip connection")
    with pytest.raises(ValueError, match=r"noise of the data's shape \(3, 4\), got \(2, 4\)"):
        sm.score_matching_loss(energy, x, curvature=Stein(x[:2], 1.0))
    with pytest.raises(ValueError, match="leave lam at 0"):
        sm.score_matching_loss(energy, x, lam=0.1, curvature=Stein(x, 1.0))
