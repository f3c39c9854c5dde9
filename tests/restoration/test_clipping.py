"""Noise that the range of a file has clipped, and its return."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from simulated import noisy_uint8

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.priors.posterior import tweedie
from scorematching.restoration import unclipped


def test_clipped_noise_is_drawn_from_its_distribution() -> None:
    """Mean and spread of a Gaussian below black, and above white, are those of the truncated normal."""
    y, x, sigma = torch.zeros(1, 1, 400, 500), torch.full((1, 1, 400, 500), 0.05), 0.1
    found = unclipped(y, x, sigma).double()
    a = torch.tensor(-0.5, dtype=torch.float64)
    ratio = torch.exp(-a.square() / 2) / (2 * torch.pi) ** 0.5 / torch.special.ndtr(a)
    mean, variance = 0.05 - sigma * ratio, sigma**2 * (1 - a * ratio - ratio.square())
    assert found.max() <= 0
    assert abs(found.mean() - mean) < 4 * (variance / y.numel()).sqrt()
    assert found.var() == pytest.approx(float(variance), rel=0.02)
    mirrored = unclipped(1 - y, 1 - x, sigma).double()
    torch.testing.assert_close(1 - mirrored, found)


@pytest.mark.parametrize("values", [[0.1, 0.2, 0.9], [-0.1, 0.0, 0.0], [1.0, 1.0, 1.1]])
def test_planes_that_no_range_has_clipped_come_back(values: list[float]) -> None:
    y = torch.tensor(values)[None, None, None]
    assert unclipped(y, y, 0.1) is y


def test_denoising_wins_back_most_of_what_clipping_costs(prior: sm.Prior) -> None:
    """The same seed gives the same bits, and blacks stay within the range."""
    dark = np.clip(1.5 * held_out_photograph("camera")[150:250, 100:300].astype(float) - 60, 0, 255)
    whole = sm.denoise(sm.GaussianNoise(25).simulate(dark).astype(np.float32), 25, prior, data_range=255)
    clipped = noisy_uint8(dark, 25)
    restored = sm.denoise(clipped, 25, prior)
    assert np.array_equal(restored, sm.denoise(clipped, 25, prior))
    blacks = sm.denoise(clipped / 255, 25 / 255, prior)[clipped == 0]
    assert (blacks.min(), blacks.max()) == (0, pytest.approx(0.15, abs=0.15))
    trusting = torch.from_numpy(clipped / np.float32(255))[None, None]
    first = tweedie(trusting, 25 / 255, prior)[0, 0].numpy().clip(0, 1)
    best, found, naive = (sm.psnr(dark / 255, image) for image in (whole / 255, restored / 255, first))
    assert best - found < 0.4 * (best - naive)
