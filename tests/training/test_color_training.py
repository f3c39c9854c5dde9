"""Training of priors that see red, green and blue together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from simulated import color_photograph

import scorematching as sm
from scorematching.training.crops import CropStream
from scorematching.training.data import open_images

MODEL = sm.DeepConfig(channels=16, depth=2, color=True)


def training(steps: int, max_sigma: float | None = None) -> sm.TrainingConfig:
    return sm.TrainingConfig(steps=steps, crop=24, batch=4, max_sigma=max_sigma)


def test_crops_hold_the_colors_of_one_place() -> None:
    """They are turned and mirrored alike, each with noise of its own."""
    ramp = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    (plane,) = open_images(np.stack([ramp, 0.5 * ramp, 0.25 * ramp], 2), data_range=1, colors=3)[0]
    assert plane.pixels().shape == (3, 40, 50)
    clean, noisy = (CropStream([plane], 32, 1, fresh=sigma, seed=1)[2].pixels for sigma in (0.0, 0.1))
    assert clean.shape == (1, 3, 32, 32)
    torch.testing.assert_close(clean[:, 1:], clean[:, :1] * torch.tensor([0.5, 0.25])[None, :, None, None])
    noise = (noisy - clean).transpose(0, 1).flatten(1)
    assert bool((torch.corrcoef(noise) - torch.eye(3)).abs().max() < 0.2)


def test_a_color_prior_is_fitted_to_noisy_images() -> None:
    clean = color_photograph().astype(np.float32)
    noisy = sm.GaussianNoise(25).simulate(clean).astype(np.float32)
    result = sm.fit(noisy, noise=25, model=MODEL, training=training(150, max_sigma=55), clean=clean, data_range=255)
    assert result.prior.config.colors == 3
    assert result.psnr == pytest.approx(result.expected_psnr, abs=0.5)
    assert sm.psnr(clean, sm.denoise(noisy, 25, result.prior, data_range=255), 255) > 25


def test_a_color_model_refuses_grayscale_images() -> None:
    with pytest.raises(ValueError, match=r"array 0 has 1 channel.*expected red, green and blue"):
        sm.fit(color_photograph()[..., 0], noise=25, model=MODEL, training=training(1))
