"""Denoising score matching: the density that it learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import scorematching as sm
from scorematching.layers import Scale, Square


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
