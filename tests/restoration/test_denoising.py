"""Denoising by Tweedie's formula and by MAP: image types, noise levels, turns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from simulated import noisy_uint8

import scorematching as sm
from scorematching.restoration.denoising import Method

pytestmark = pytest.mark.recorded

LEVEL = 25


def test_tweedie_by_hand(photograph: np.ndarray, prior: sm.Prior) -> None:
    y = photograph.astype(np.float32) / 255
    planes = torch.from_numpy(y)[None, None]
    expected = planes + (LEVEL / 255) ** 2 * prior.score(planes)
    np.testing.assert_allclose(sm.denoise(y, LEVEL / 255, prior), expected[0, 0].numpy(), rtol=1e-6)


def test_all_types_denoise_alike(photograph: np.ndarray, prior: sm.Prior) -> None:
    image = noisy_uint8(photograph, LEVEL)
    eight = sm.denoise(image, LEVEL, prior)
    sixteen = sm.denoise(image.astype(np.uint16) * 257, LEVEL * 257, prior)
    floats = sm.denoise(image / 255, LEVEL / 255, prior)
    assert (eight.dtype, sixteen.dtype, floats.dtype) == (np.uint8, np.uint16, np.float64)
    np.testing.assert_allclose(sixteen / 257, eight, atol=0.51)
    np.testing.assert_allclose(np.clip(floats * 255, 0, 255), eight, atol=0.51)


def test_gray_stored_as_color_stays_gray_and_alpha_stays_as_it_is(photograph: np.ndarray, prior: sm.Prior) -> None:
    image = noisy_uint8(photograph, LEVEL)
    gray = sm.denoise(image, LEVEL, prior)
    alpha = np.maximum(np.arange(image.size, dtype=np.uint8).reshape(image.shape), 1)
    color = sm.denoise(np.stack([image, image, image, alpha], 2), LEVEL, prior)
    for channel in range(3):
        np.testing.assert_array_equal(color[..., channel], gray)
    np.testing.assert_array_equal(color[..., 3], alpha)


@pytest.mark.parametrize("sigma", [8.0, 25.0, 50.0])
def test_denoising_helps_at_any_level(photograph: np.ndarray, prior: sm.Prior, sigma: float) -> None:
    image = sm.GaussianNoise(sigma).simulate(photograph)
    restored = sm.denoise(image, sigma, prior, data_range=255)
    assert sm.psnr(photograph, restored, 255) > sm.psnr(photograph, image, 255) + 2


def test_another_level_is_reached_by_contrast(photograph: np.ndarray, prior: sm.Prior) -> None:
    """An image of half the contrast and half the noise is denoised to the same, at half the contrast."""
    image = photograph / 255
    whole, half = sm.denoise(image, 25 / 255, prior), sm.denoise(image / 2, 12.5 / 255, prior)
    np.testing.assert_allclose(half, whole / 2, rtol=1e-4, atol=1e-6)


def test_a_prior_of_clean_images_denoises_by_map(photograph: np.ndarray, clean_prior: sm.Prior) -> None:
    image = noisy_uint8(photograph, LEVEL)
    by_map = sm.denoise(image, LEVEL, clean_prior, method="map")
    np.testing.assert_array_equal(sm.denoise(image, LEVEL, clean_prior), by_map)
    with pytest.raises(ValueError, match="this one was trained on clean ones: use MAP"):
        sm.denoise(image, LEVEL, clean_prior, method="tweedie")


def test_an_unknown_method_is_refused(photograph: np.ndarray, prior: sm.Prior) -> None:
    with pytest.raises(ValueError, match="method must be 'auto', 'tweedie' or 'map', got 'magic'"):
        sm.denoise(photograph, LEVEL, prior, method="magic")  # type: ignore[arg-type]


def test_a_fitted_prior_of_clean_images_denoises(photograph: np.ndarray) -> None:
    model, training = sm.FieldConfig(filters=8, size=3), sm.TrainingConfig(steps=60, crop=24)
    prior = sm.fit([np.tile(photograph, (2, 2))], noisy=False, model=model, training=training).prior
    assert prior.noise is None
    assert prior.energy.weights.min() >= 0
    image = noisy_uint8(photograph, 15)
    restored = sm.denoise(image, 15, prior)
    assert sm.psnr(photograph, restored, 255) > sm.psnr(photograph, image, 255) + 2


@pytest.mark.filterwarnings("ignore:what was removed")  # the image is noise
@pytest.mark.parametrize("method", ["tweedie", "map"])
def test_a_self_ensemble_is_the_mean_over_turns_and_mirrorings(prior: sm.Prior, method: Method) -> None:
    """It turns with the image, which a single result does not."""
    prior.energy.convolutions[0].weight.data += 0.1 * torch.randn(prior.energy.convolutions[0].weight.shape)
    noisy = np.random.default_rng(0).random((24, 32, 3)).astype(np.float32)

    def turned(image: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(image[:, ::-1] if mirrored else image, quarters))

    def back(image: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
        return np.rot90(image, -quarters)[:, :: -1 if mirrored else 1]

    turns = [(quarters, mirrored) for quarters in range(4) for mirrored in (False, True)]
    singles = [
        back(sm.denoise(turned(noisy, *turn), 0.1, prior, data_range=1.0, method=method), *turn) for turn in turns
    ]
    found = sm.denoise(noisy, 0.1, prior, data_range=1.0, method=method, self_ensemble=True)
    np.testing.assert_allclose(found, np.mean(singles, axis=0), rtol=1e-4, atol=1e-5)
    assert np.abs(singles[0] - singles[1]).max() > 1e-3
