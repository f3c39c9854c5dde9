"""Repeated values are told from rounding to float32."""

from __future__ import annotations

import pytest
import torch

import scorematching as sm
from scorematching.losses import RepeatedValuesWarning, repeated


def test_repeated_values_are_found() -> None:
    x = torch.rand(5000, 6)
    x[:, 1] = (255 * x[:, 1]).round()  # 8 bits
    x[:, 2] = (65535 * x[:, 2]).round()  # 16 bits
    x[:, 4] = x[:, 4].clamp(max=0.97)  # clipped
    assert repeated(x.view(5000, 2, 3)).tolist() == [1, 2, 4]
    assert repeated(x.double()).tolist() == [1, 2, 4]


def test_continuous_data_have_none() -> None:
    assert len(repeated(torch.randn(20_000, 50))) == 0
    assert len(repeated(torch.rand(20_000, 50))) == 0
    assert len(repeated(torch.randn(1, 5))) == 0


def test_samples_that_are_there_twice_and_large_images() -> None:
    x = torch.randn(50, 2)
    assert repeated(torch.cat([x, x])).tolist() == [0, 1]
    images = torch.randint(256, (40, 3, 200, 200)) / 255
    assert len(repeated(images)) > 0.5 * images[0].numel()
    assert len(repeated(torch.randn(40, 3, 200, 200))) == 0


@pytest.mark.parametrize("dim", [1, 2])
def test_batches_drawn_with_replacement_have_no_repeated_values(dim: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1000, dim, generator=generator)
    energy = sm.energies.ProductOfStudentT(dim, 4)
    sm.score_matching_loss(energy, x[torch.randint(1000, (512,), generator=generator)])
    with pytest.warns(RepeatedValuesWarning):
        sm.score_matching_loss(sm.energies.ProductOfStudentT(dim, 4), x.mul(2).round())


@pytest.mark.parametrize("kind", ["whole numbers", "constant"])
def test_the_loss_warns_once_without_a_regularizer(kind: str, recwarn: pytest.WarningsRecorder) -> None:
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    x[:, 1] = x[:, 1].round() if kind == "whole numbers" else 2.0
    energy = sm.energies.ProductOfStudentT(3, 4)
    sm.score_matching_loss(energy, x, lam=0.1)
    sm.score_matching_loss(energy, x, weight=torch.tensor([1.0, 0, 1]))
    assert not recwarn
    other = sm.energies.ProductOfStudentT(3, 4)
    for _ in range(2):
        sm.score_matching_loss(other, x)
    found = [str(one.message) for one in recwarn]
    assert len(found) == 1
    assert found[0].startswith(
        "1 of 3 inputs have repeated values, such as integers, 8-bit data or constants (the first"
    )
