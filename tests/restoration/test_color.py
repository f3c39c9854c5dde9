"""Color images: opponent colors for priors of grayscale images, and priors that see colors together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from simulated import noisy_uint8

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.priors.posterior import tweedie
from scorematching.restoration.color import opponent, posterior_mean


def test_opponent_colors_keep_noise_white() -> None:
    noise = torch.randn(3, 1, 200, 300, generator=torch.Generator().manual_seed(0))
    found = opponent(noise)[:, 0].flatten(1)
    torch.testing.assert_close(found @ found.T / found.shape[1], torch.eye(3), rtol=0, atol=0.02)
    gray = torch.rand(1, 1, 4, 5).expand(3, -1, -1, -1)
    torch.testing.assert_close(opponent(gray)[1:], torch.zeros(2, 1, 4, 5), rtol=0, atol=1e-6)
    torch.testing.assert_close(opponent(opponent(noise), back=True), noise)


def test_colors_together_are_denoised_better_than_each_alone(prior: sm.Prior) -> None:
    clean = held_out_photograph("astronaut", color=True)[60:160, 160:260]
    observed = sm.GaussianNoise(25 / 255).simulate(clean).astype(np.float32)
    together = sm.psnr(clean, sm.denoise(observed, 25 / 255, prior, data_range=1.0))
    each = np.stack([sm.denoise(observed[..., c], 25 / 255, prior, data_range=1.0) for c in range(3)], 2)
    assert together > sm.psnr(clean, each) + 0.25


def test_a_color_prior_sees_the_planes_of_an_image_together(color_prior: sm.Prior) -> None:
    planes = torch.rand(3, 1, 20, 24)
    expected = tweedie(planes.transpose(0, 1), 0.1, color_prior).transpose(0, 1)
    torch.testing.assert_close(posterior_mean(planes, 0.1, color_prior), expected, rtol=0, atol=0)


def test_a_color_prior_refuses_grayscale_images(color_prior: sm.Prior, color_photograph: np.ndarray) -> None:
    gray = color_photograph[..., 0]
    message = "for images in red, green and blue, and the image is grayscale: take .* natural-gray"
    with pytest.raises(ValueError, match=message):
        sm.denoise(gray, 25, color_prior)
    with pytest.raises(ValueError, match=message):
        sm.upscale(gray, 2, color_prior, steps=1)


def test_alpha_of_a_color_image_stays_as_it_is(color_photograph: np.ndarray, color_prior: sm.Prior) -> None:
    image = noisy_uint8(color_photograph, 25)
    alpha = np.maximum(np.arange(image[..., 0].size, dtype=np.uint8).reshape(image.shape[:2]), 1)
    found = sm.denoise(np.dstack([image, alpha]), 25, color_prior)
    np.testing.assert_array_equal(found, np.dstack([sm.denoise(image, 25, color_prior), alpha]))
