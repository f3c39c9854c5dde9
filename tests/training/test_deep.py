"""Trainings of deep priors: blind ones, those of several levels, what they learn."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import DEEP, short, with_noise

import scorematching as sm
from scorematching.images.photographs import held_out_photograph

LEARNING = sm.DeepConfig(channels=16, depth=4)


def camera(rows: slice, columns: slice) -> np.ndarray:
    """A piece of a photograph, white at 1."""
    return held_out_photograph("camera")[rows, columns].astype(np.float32)


def test_blind_training_is_for_crops_with_less_noise_than_told() -> None:
    """Told three times the noise, a blind prior takes away less of the image than one that trusts the level."""
    clean = camera(slice(100, 228), slice(200, 328))
    noisy, error = with_noise(clean, 0.1), {}
    for blind in (False, True):
        training = short(120, crop=18, rate=0.02, blind=blind)
        prior = sm.fit([noisy], noise=0.1, model=LEARNING, training=training).prior
        assert prior.noise is not None
        assert prior.noise.blind is blind
        error[blind] = np.square(sm.denoise(noisy, 0.3, prior, data_range=1.0) - clean).mean()
    assert error[True] < 0.9 * error[False]


def test_a_deep_prior_learns_to_denoise_from_one_noisy_image() -> None:
    """It gains several dB, about as many as Stein's estimate and the clean image say."""
    clean = camera(slice(60, 316), slice(120, 376))
    noisy = with_noise(clean, 0.1)
    result = sm.fit([noisy], noise=0.1, model=LEARNING, training=short(80, crop=24, rate=0.015), clean=[clean])
    assert sm.psnr(clean, sm.denoise(noisy, 0.1, result.prior, data_range=1.0)) > 24.5
    assert result.psnr is not None
    assert result.expected_psnr == pytest.approx(result.psnr, abs=0.7)


def test_images_of_several_noise_levels_are_brought_to_one() -> None:
    clean, levels = camera(slice(160), slice(None)), [0.04, 0.08]
    noisy = [with_noise(clean, level, seed) for seed, level in enumerate(levels)]
    options = {"model": DEEP, "training": short(1, crop=24), "data_range": 1.0}
    noise = sm.fit(noisy, noise=levels, **options).prior.noise
    assert noise is not None
    assert (noise.sigma, noise.range) == (pytest.approx(0.06), (0.04, 0.08))
    found = sm.fit(noisy, **options).prior.noise
    assert found is not None
    assert found.range == pytest.approx(tuple(levels), rel=0.15)
    with pytest.raises(ValueError, match="one per image: got 3 for 2"):
        sm.fit(noisy, noise=[0.1] * 3, **options)


def test_the_range_of_a_prior_ends_at_the_highest_level_that_was_added(noisy: np.ndarray) -> None:
    """What was found in the images is told apart from it."""
    training = short(1, crop=24, max_sigma=60)
    result = sm.fit([noisy, noisy], noise=[20, 25], model=DEEP, training=training)
    assert result.found == (20 / 255, 25 / 255)
    assert result.prior.noise is not None
    assert result.prior.noise.range == (20 / 255, 60 / 255)
