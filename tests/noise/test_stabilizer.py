"""Planes in low light, mapped to planes with white noise of one level, and back."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import torch

from scorematching.noise import PoissonGaussianNoise


def test_clean_planes_go_there_and_back() -> None:
    stabilizer = PoissonGaussianNoise(gain=4.0, offset=20.0, sigma=3.0).stabilizer(data_range=255.0)
    planes = torch.linspace(20 / 255, 1, 50).view(1, 1, 5, 10)
    shown = stabilizer.mean(planes)
    assert (float(shown.min()), float(shown.max())) == pytest.approx((0, 1), abs=0.02)
    torch.testing.assert_close(stabilizer.inverse(shown).float(), planes, rtol=0, atol=1e-5)


@pytest.mark.parametrize("photons", [0.0, 0.2, 1.0, 3.0, 30.0])
def test_stabilized_noise_has_its_level_in_the_dark_too(photons: float) -> None:
    """The noise that the transform leaves too little of is added, and the mean stays."""
    noise = PoissonGaussianNoise(gain=2.0)
    stabilizer = noise.stabilizer(data_range=255.0)
    clean = torch.full((1, 1, 300, 400), 2 * photons / 255, dtype=torch.float64)
    noisy = torch.from_numpy(noise.simulate(255 * clean.numpy()) / 255)
    shown = stabilizer.forward(noisy)
    assert float(shown.std()) == pytest.approx(stabilizer.level, rel=0.02)
    error = 4 * stabilizer.level / math.sqrt(shown.numel())
    assert float(shown.mean()) == pytest.approx(float(stabilizer.mean(clean).mean()), abs=error)
    torch.testing.assert_close(stabilizer.forward(noisy), shown, rtol=0, atol=0)


def test_an_offset_at_white_is_refused() -> None:
    with pytest.raises(ValueError, match="offset must be below white, 255, got 255"):
        PoissonGaussianNoise(gain=2.0, offset=255).stabilizer(data_range=255.0)


def test_a_large_image_is_stabilized_in_blocks() -> None:
    """NumPy holds less than one copy of the image at a time."""
    planes, stabilizer = torch.full((1, 1, 1024, 1024), 0.5), PoissonGaussianNoise(gain=2.0).stabilizer(255)
    tracemalloc.start()
    back = stabilizer.inverse(stabilizer.mean(planes[..., :1, :1]).expand_as(stabilizer.forward(planes)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(back, 0.5, atol=1e-5)
    assert peak < planes.numpy().nbytes


@pytest.mark.parametrize("shape", [(3, 1, 150, 20), (1, 1, 2, 3)])
def test_blocks_give_the_bits_of_the_whole(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    planes, stabilizer = torch.rand(shape) ** 3, PoissonGaussianNoise(gain=20.0, sigma=5.0).stabilizer(255)
    blocks = stabilizer.forward(planes)
    monkeypatch.setattr("scorematching.noise.stabilizer._ROWS", 1000)
    assert torch.equal(stabilizer.forward(planes), blocks)
    assert stabilizer.inverse(blocks).shape == shape
