"""Denoising score matching: the density that it learns, at one noise level or several, by energies and scores."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import scorematching as sm
from scorematching.layers import Scale, Square

F64 = torch.float64
LEVELS = [0.5, 1.0, 2.0]


def fit(model: nn.Module, loss: Callable[[torch.Generator], Tensor]) -> None:
    """Minimize a loss whose noise is always the same."""
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=40, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(torch.Generator().manual_seed(1))
        value.backward()
        return value

    optimizer.step(closure)


class Modes(nn.Module):
    """Two normal densities of variance 1, at -4 and 4. Noise of deviation sigma adds its variance."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([0.5, 0.0], dtype=F64))

    def forward(self, x: Tensor, sigma: Tensor | float = 0.0) -> Tensor:
        """(N, 1) to (N,)."""
        variance = 1 + torch.as_tensor(sigma, dtype=x.dtype).view(-1, 1) ** 2
        places = torch.tensor([-4.0, 4.0], dtype=x.dtype)
        each = self.logits.log_softmax(0) - 0.5 * (x - places).square() / variance - 0.5 * variance.log()
        return -each.logsumexp(1)


def weight_of_left(model: nn.Module, sigma: float) -> float:
    grid = torch.linspace(-12, 12, 1001, dtype=F64)[:, None]
    with torch.no_grad():
        density = torch.exp(-model(grid, torch.full((len(grid),), sigma, dtype=F64)))
    return float(density[:500].sum() / density.sum())


def test_denoising_score_matching_learns_the_noisy_density() -> None:
    """A Gaussian of variance 1 with noise of variance 1/2: precision 2/3; and the constant between the two losses."""
    x = torch.randn(20_000, 1, dtype=F64)
    energy = sm.Sequential(Scale(1), Square(), sm.Sum(0.5)).double()
    fit(energy, lambda generator: sm.denoising_score_matching_loss(energy, x, 0.5**0.5, generator))
    assert energy.layers[0].weight.item() ** 2 == pytest.approx(2 / 3, rel=0.03)


@pytest.mark.parametrize("levels", [[0.8], torch.tensor(LEVELS)], ids=["one level", "three levels"])
def test_a_linear_score_network_has_a_known_minimum(levels: list[float] | Tensor) -> None:
    """``s(x) = -A x + b`` with A = mean(sigma^2) (C mean(sigma^2) + I mean(sigma^4))^-1 and b = A m."""
    mean, factor = torch.tensor([1.0, -0.5], dtype=F64), torch.tensor([[1.2, 0.0], [0.6, 0.5]], dtype=F64)
    x = mean + torch.randn(200_000, 2, dtype=F64) @ factor.T
    second, fourth = (sum(float(s) ** power for s in levels) / len(levels) for power in (2, 4))
    a = second * torch.linalg.inv(second * factor @ factor.T + fourth * torch.eye(2, dtype=F64))
    network = nn.Linear(2, 2, dtype=F64)
    fit(network, lambda generator: sm.denoising_score_matching_loss(network, x, levels, generator, output="score"))
    torch.testing.assert_close(network.weight.data, -a, rtol=0, atol=0.01)
    torch.testing.assert_close(network.bias.data, a @ mean, rtol=0, atol=0.015)


def test_the_weights_of_separated_modes_are_recovered() -> None:
    """At noise levels up to the gap, and not by score matching, whose loss does not depend on them."""
    left = torch.rand(4000, 1) < 0.2
    x = torch.randn(4000, 1, dtype=F64) + torch.where(left, -4.0, 4.0).double()
    levels, model = [0.5, 1, 2, 4, 8], Modes()

    def loss(generator: torch.Generator) -> Tensor:
        return sm.denoising_score_matching_loss(model, x, levels, generator, conditional=True)

    fit(model, loss)
    assert weight_of_left(model, 0.5) == pytest.approx(0.2, abs=0.02)
    blind = Modes()
    slope = torch.autograd.grad(sm.score_matching_loss(blind, x), blind.logits)[0]
    assert float(slope.abs().max()) < 1e-3
    seen = torch.autograd.grad(sm.denoising_score_matching_loss(blind, x, levels, conditional=True), blind.logits)[0]
    assert float(seen.abs().max()) > 0.01


@pytest.mark.parametrize("shape", [(6, 1), (6, 4), (6, 1, 3, 5)])
@pytest.mark.parametrize("levels", [0.3, LEVELS], ids=["one level", "three levels"])
def test_energies_and_their_scores_have_the_same_loss(shape: tuple[int, ...], levels: float | list[float]) -> None:
    """Also in one dimension, where both have the same shape."""

    class Energy(nn.Module):
        def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
            return ((x.flatten(1) ** 4).sum(1) * sigma)[:, None]

    class Score(nn.Module):
        def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
            return -4 * x**3 * sigma.view(-1, *(1 for _ in x.shape[1:]))

    def losses(model: nn.Module, output: str) -> Tensor:
        seed = torch.Generator().manual_seed(3)
        return sm.denoising_score_matching_loss(model, x, levels, seed, "none", output=output, conditional=True)

    x = torch.randn(shape, dtype=F64)
    found = losses(Energy(), "energy")
    assert found.shape == (6,)
    torch.testing.assert_close(found, losses(Score(), "score"), rtol=1e-10, atol=0)


def test_levels_are_drawn_alike_and_count_alike() -> None:
    """The loss of a score of 0 is ``|n|^2 / 2`` at each level, and the module is told the levels."""
    seen: list[Tensor] = []

    class Zero(nn.Module):
        def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
            seen.append(sigma)
            return torch.zeros_like(x)

    x = torch.randn(6000, 2, dtype=F64)
    found = sm.denoising_score_matching_loss(Zero(), x, LEVELS, reduction="none", output="score", conditional=True)
    for level in LEVELS:
        drawn = seen[0] == level
        assert abs(int(drawn.sum()) - 2000) < 4 * (6000 * 2 / 9) ** 0.5
        assert float(found[drawn].mean()) == pytest.approx(1, abs=4 / 2000**0.5)


class TwoArguments(nn.Module):
    """A score network that takes a noise level."""

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """(N, ...) to (N, ...)."""
        return x


BAD = {
    "score network": (nn.Linear(4, 4), {}, ValueError, r"Linear must return one energy .* output='score'"),
    "conditional": (TwoArguments(), {"conditional": True}, ValueError, r"TwoArguments must .* output='score'"),
    "energy": (nn.Linear(4, 1), {"output": "score"}, ValueError, r"\(2, 4\), got \(2, 1\): .* output='energy'"),
    "output": (nn.Linear(4, 1), {"output": "both"}, ValueError, "output must be 'energy' or 'score', got 'both'"),
    "no level": (nn.Linear(4, 1), {"sigma": []}, ValueError, "sigma must have one noise level or more, got none"),
    "level": (nn.Linear(4, 1), {"sigma": [1.0, -2.0]}, ValueError, r"sigma\[1\] must be a number above 0, got -2.0"),
    "learned level": (
        nn.Linear(4, 1),
        {"sigma": torch.ones(2, requires_grad=True)},
        ValueError,
        r"sigma\[0\] requires a gradient",
    ),
    "graph": (
        sm.Sequential(Square(), sm.Sum()),
        {"conditional": True},
        TypeError,
        "a graph has one input and takes no noise level",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name: str) -> None:
    model, options, kind, message = BAD[name]
    with pytest.raises(kind, match=message):
        sm.denoising_score_matching_loss(model, torch.randn(2, 4), **{"sigma": 1.0, **options})
