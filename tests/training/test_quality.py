"""What a training says of its result, against the denoiser on the very images that were held out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_models import FIELD, short, with_noise

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.training.data import open_images
from scorematching.training.noise import with_noise as with_known_noise
from scorematching.training.quality import HeldOut

TRAINING = short(60, crop=24)


@pytest.fixture
def clean() -> np.ndarray:
    return held_out_photograph("camera")[60:220, 100:300].astype(np.float32)


def decibels(clean: np.ndarray, result: np.ndarray) -> float:
    """The PSNR before clipping, white being 1."""
    return -10 * math.log10(np.square(clean.astype(float) - result).mean())


def test_levels_that_differ_are_taken_back(clean: np.ndarray) -> None:
    """The crops of the held-out image have 2.5 times its contrast: its error is told at its own."""
    levels = [0.05, 0.2]
    noisy = [with_noise(clean, level, seed) for seed, level in enumerate(levels)]
    result = sm.fit(noisy, noise=levels, data_range=1, clean=[clean, clean], model=FIELD, training=TRAINING)
    denoised = sm.denoise(noisy[0], levels[0], result.prior, data_range=1)
    assert result.psnr == pytest.approx(decibels(clean, denoised), abs=0.01)
    assert result.expected_psnr == pytest.approx(result.psnr, abs=0.5)


def test_held_out_images_too_small_for_the_prior_are_left_out(clean: np.ndarray) -> None:
    """The training is not lost at its end; what is large enough tells."""
    noisy = [with_noise(clean, 0.1, seed) for seed in range(20)]
    noisy[5] = noisy[5][:4, :4]
    with pytest.warns(UserWarning, match="left out, smaller than a crop of 24 pixels: array 5"):
        result = sm.fit(
            noisy, noise=0.1, data_range=1, model=sm.FieldConfig(filters=8, size=5), training=short(2, crop=24)
        )
    assert result.expected_psnr is not None


def test_nothing_large_enough_tells_nothing(clean: np.ndarray, prior: sm.Prior) -> None:
    images = with_known_noise(open_images([clean[:2, :9]], 1.0), 0.1).images
    assert HeldOut(images[0], 0.0, None, seed=0).quality(prior) == (None, None, None)
