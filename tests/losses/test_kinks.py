"""Piecewise linear energies are named, once, also where the kinks are in a function."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import scorematching as sm
from scorematching.losses import KinkWarning


class Functional(nn.Module):  # noqa: D101
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.inner = function, nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.function(self.inner(x)).sum(1)


@pytest.mark.parametrize(
    ("energy", "name"),
    [
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)), "^ReLU: "),
        (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.LeakyReLU(), nn.Linear(4, 1)), "^LeakyReLU: "),
        (Functional(torch.relu), "^an energy with a changing slope and"),
        (Functional(lambda u: torch.relu(u) + 0.1 * u**2), "^an energy with a changing slope"),
        (Functional(torch.abs), "^an energy with a changing slope and"),
    ],
)
def test_piecewise_linear_energies_are_named_once(energy: nn.Module, name: str) -> None:
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    with pytest.warns(KinkWarning, match=name):
        sm.score_matching_loss(energy, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sm.score_matching_loss(energy, x)


@pytest.mark.parametrize("function", [torch.tanh, torch.square, lambda u: u])
def test_others_are_not(function: Callable[[Tensor], Tensor]) -> None:
    assert torch.isfinite(sm.score_matching_loss(Functional(function), torch.randn(20, 3)))
