"""Random estimates of the curvature, unbiased and reproducible; sliced and denoising score matching."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import scorematching as sm
from scorematching.checks import brute_force
from scorematching.checks.cases import make_network
from scorematching.curvature import Choice, Curvature, CurvaturePropagation, Hutchinson, Stein
from scorematching.layers import Scale, Square

DEEP = ["three hidden layers", "two convolutions", "residual", "shared layer", "parallel edges", "NICE"]

RANDOM: dict[str, Callable[[int], Curvature]] = {
    "Rademacher": lambda seed: Hutchinson(4, "rademacher", torch.Generator().manual_seed(seed)),
    "Gaussian": lambda seed: Hutchinson(4, "gaussian", torch.Generator().manual_seed(seed)),
    "curvature propagation": lambda seed: CurvaturePropagation(4, torch.Generator().manual_seed(seed)),
}


def within_standard_errors(draws: Tensor, truth: Tensor, allowed: float = 4.5) -> None:
    """The mean of draws, shape (R, ...), lies within its standard error of the truth (or is it, without variance)."""
    error = draws.std(0) / len(draws) ** 0.5
    assert bool(((draws.mean(0) - truth).abs() <= allowed * error + 1e-9 * truth.abs().max()).all())


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("method", RANDOM)
@pytest.mark.parametrize(
    "name", ["PoE, mixtures", "three hidden layers", "two convolutions", "skip connection", "NICE"]
)
def test_random_methods_are_unbiased(name: str, method: str, lam: float) -> None:
    """The mean over many probes of the loss and of its gradient is the exact one, the squares of lam included."""
    energy, x, _ = make_network(name)
    repeats = 400
    many = x[:2].repeat_interleave(repeats, 0)
    losses = sm.score_matching_loss(energy, many, lam, RANDOM[method](0), reduction="none")
    truth = sm.score_matching_loss(energy, x[:2], lam, "full", reduction="none")
    within_standard_errors(losses.detach().view(2, repeats).T, truth.detach())
    weight = next(energy.parameters())
    (exact,) = torch.autograd.grad(truth.sum(), weight)
    parts = losses.view(2, 40, -1).sum(0).mean(1)
    draws = torch.stack([torch.autograd.grad(part, weight, retain_graph=True)[0] for part in parts])
    within_standard_errors(draws, exact)


def test_the_square_of_one_estimate_would_be_biased() -> None:
    """E (v_i (Hv)_i)^2 is H_ii^2 and the squares beside it: what a single probe would penalize."""
    energy, x, _ = make_network("three hidden layers")
    many = x[:1].expand(4000, -1)
    each = Hutchinson(1, generator=torch.Generator().manual_seed(0)).derivatives(energy, many).d2.detach()
    h = brute_force(energy, x[:1])[1].detach()[0]
    within_standard_errors(each.square(), h.square().sum(1))
    assert float(h.square().sum() / h.diagonal().square().sum()) > 1.1


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("distribution", ["rademacher", "gaussian"])
def test_sliced_score_matching_is_unbiased(distribution: str, lam: float) -> None:
    energy, x, _ = make_network("skip connection")
    many = x[:2].repeat_interleave(4000, 0)
    losses = sm.sliced_score_matching_loss(
        energy, many, lam, None, distribution, torch.Generator().manual_seed(0), "none"
    )
    truth = sm.score_matching_loss(energy, x[:2], lam, "full", reduction="none").detach()
    within_standard_errors(losses.detach().view(2, -1).T, truth)


def test_rademacher_varies_less_than_gaussian_and_propagation_differs() -> None:
    energy, x, _ = make_network("PoE, mixtures")
    many = x[:1].expand(2000, -1)
    spread = {name: make(0).derivatives(energy, many).d2.sum(1).std().item() for name, make in RANDOM.items()}
    assert spread["Rademacher"] < spread["Gaussian"]


def test_denoising_score_matching_learns_the_noisy_density() -> None:
    """A Gaussian of variance 1 with noise of variance 1/2: precision 2/3; and the constant between the two losses."""
    x = torch.randn(20_000, 1, dtype=torch.float64)
    energy = sm.Sequential(Scale(1), Square(), sm.Sum(0.5)).double()
    optimizer = torch.optim.LBFGS(energy.parameters(), line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        generator = torch.Generator().manual_seed(1)
        loss = sm.denoising_score_matching_loss(energy, x, 0.5**0.5, generator)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert energy.layers[0].weight.item() ** 2 == pytest.approx(2 / 3, rel=0.03)


def paired(energy: sm.Graph, x: Tensor, noise: Tensor, weight: Tensor) -> Tensor:
    """The loss of :class:`scorematching.curvature.Stein` by automatic differentiation alone."""
    (d,) = torch.autograd.grad(energy(x).sum(), x, create_graph=True)
    return (weight * (0.5 * d * d - d * noise)).sum()


@pytest.mark.parametrize("name", DEEP)
def test_steins_estimate_has_the_gradients_of_its_value(name: str) -> None:
    energy, x, _ = make_network(name)
    x, noise, weight = x.requires_grad_(), torch.randn_like(x), torch.rand_like(x)
    inputs = (x, *energy.parameters())
    method = Stein(noise)
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
        ways: list[Choice] = [Stein(noise / s**2), "full"]
        found, exact = (sm.score_matching_loss(energy, clean + noise, curvature=way) for way in ways)
        losses.append((found - exact).detach())
        slopes.append(torch.autograd.grad(found - exact, weight)[0])
    within_standard_errors(torch.stack(losses), torch.zeros(()))
    within_standard_errors(torch.stack(slopes), torch.zeros_like(weight))


def test_steins_estimate_is_denoising_score_matching() -> None:
    """Up to ``1/2 |n / s^2|^2``, the same loss."""
    energy, x, _ = make_network("skip connection")
    clean, s = x.float(), 0.5
    energy = energy.float()
    n = torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    found = sm.score_matching_loss(energy, clean + s * n, curvature=Stein(n / s), reduction="sum")
    whole = sm.denoising_score_matching_loss(energy, clean, s, torch.Generator().manual_seed(3), "sum")
    torch.testing.assert_close(found + 0.5 * (n / s).square().sum(), whole, rtol=1e-5, atol=1e-5)


def test_steins_estimate_says_what_it_can_not() -> None:
    energy, x, _ = make_network("skip connection")
    with pytest.raises(ValueError, match=r"noise of the data's shape \(3, 4\), got \(2, 4\)"):
        sm.score_matching_loss(energy, x, curvature=Stein(x[:2]))
    with pytest.raises(ValueError, match="leave lam at 0"):
        sm.score_matching_loss(energy, x, 0.1, Stein(x))


def test_a_generator_makes_it_reproducible() -> None:
    energy, x, _ = make_network("NICE")
    one, two, three = (sm.score_matching_loss(energy, x, 0.1, RANDOM["Gaussian"](seed)).item() for seed in (0, 0, 1))
    assert one == two != three
