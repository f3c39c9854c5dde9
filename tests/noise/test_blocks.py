"""The variance-stabilizing transform in blocks of rows: little memory, the same values."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from scorematching.noise import PoissonGaussianNoise
from scorematching.noise.poisson_gaussian import Stabilizer


def test_a_large_image_is_stabilized_with_few_copies() -> None:
    planes, stabilizer = torch.full((1, 1, 1024, 1024), 0.5), Stabilizer(PoissonGaussianNoise(2.0), 255)
    tracemalloc.start()
    back = stabilizer.inverse(stabilizer.mean(planes[..., :1, :1]).expand_as(stabilizer.forward(planes)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(back, 0.5, atol=1e-5)
    assert peak < planes.numpy().nbytes


@pytest.mark.parametrize("shape", [(3, 1, 150, 20), (1, 1, 2, 3)])
def test_stabilizing_in_blocks_equals_the_whole(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    planes, stabilizer = torch.rand(shape) ** 3, Stabilizer(PoissonGaussianNoise(20.0, 5.0), 255)
    blocks = stabilizer.forward(planes)
    monkeypatch.setattr("scorematching.noise.poisson_gaussian._ROWS", 1000)
    assert torch.equal(stabilizer.forward(planes), blocks)
    assert stabilizer.inverse(blocks).shape == shape
