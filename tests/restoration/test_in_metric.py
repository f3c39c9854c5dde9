"""Denoising with a prior of correlated noise, also of another level and kind than it was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from simulated import color_photograph
from small_models import DEEP, FIELD

import scorematching as sm
from scorematching.images import can_be_noisy, to_planes
from scorematching.images.wavelet_noise import wavelet_response, wavelet_sigma
from scorematching.priors import DeepPrior, FieldPrior, TrainedNoise
from scorematching.restoration.in_metric import ChannelLevels, noise_of_prior

TENT = np.outer([0.5, 1.0, 0.5], [0.5, 1.0, 0.5])
ROWS = np.array([[0.0, 0.0, 0.0], [0.5, 1.0, 0.5], [0.0, 0.0, 0.0]])
PRIOR = FieldPrior(FIELD, TrainedNoise(25 / 255, correlation=TENT))
SIDEWAYS = FieldPrior(FIELD, TrainedNoise(25 / 255, correlation=ROWS))


def noise_of_level(level: float, kernel: np.ndarray = TENT) -> sm.CorrelatedNoise:
    return sm.CorrelatedNoise(level**2 * kernel)


def test_another_level_rescales_the_contrast(photograph: np.ndarray) -> None:
    image = photograph.astype(np.float64)
    half = sm.denoise(image / 2, noise_of_level(12.5), PRIOR, data_range=255)
    np.testing.assert_allclose(half, sm.denoise(image, noise_of_level(25), PRIOR, data_range=255) / 2, atol=1e-3)


def test_another_correlation_is_told(photograph: np.ndarray) -> None:
    with pytest.warns(UserWarning, match=r"differs by 0\.50 from that of the noise that the prior was trained on"):
        found = sm.denoise(photograph, noise_of_level(25, ROWS), PRIOR)
    assert np.array_equal(found, sm.denoise(photograph, 25, PRIOR))


def of_prior(found: sm.noise.NoiseModel, image: np.ndarray, prior: sm.Prior) -> sm.noise.NoiseModel:
    planes = to_planes(image, 255).data
    return noise_of_prior(found, planes, can_be_noisy(planes), prior, 255)


def test_unknown_noise_is_that_of_the_prior(photograph: np.ndarray) -> None:
    """Its level stays within the range that the prior was trained for."""
    assert of_prior(sm.GaussianNoise(3), photograph, PRIOR) == noise_of_level(25)
    assert of_prior(noise_of_level(3, ROWS), photograph, PRIOR) == noise_of_level(25)
    wide = FieldPrior(FIELD, TrainedNoise(25 / 255, 5 / 255, 120 / 255, correlation=TENT))
    noisy = noise_of_level(40).simulate(np.full((200, 200), 128.0))
    found = of_prior(sm.GaussianNoise(3), noisy, wide)
    assert isinstance(found, sm.CorrelatedNoise)
    assert found.sigma == pytest.approx(40, rel=0.05)
    assert sm.estimate_noise(np.full((40, 40), 7, np.uint8), PRIOR) == sm.GaussianNoise(0)


def test_noise_that_was_found_keeps_its_levels_and_its_covariance_of_channels() -> None:
    kernel = np.einsum("cd,ij->cdij", np.array([[100.0, 50, 0], [50, 400, 90], [0, 90, 900]]), TENT)
    prior = FieldPrior(FIELD, TrainedNoise(20 / 255, 10 / 255, 20 / 255, correlation=TENT))
    found = of_prior(sm.CorrelatedNoise(kernel), color_photograph(), prior)
    assert isinstance(found, sm.CorrelatedNoise)
    expected = np.array([[100.0, 50, 0], [50, 400, 60], [0, 60, 400]])  # the last level is cut to 20
    np.testing.assert_allclose(found.autocovariance[..., 1, 1], expected, atol=1e-9)


def test_the_response_of_wavelets_is_that_of_noise() -> None:
    noise = noise_of_level(1.0).simulate(np.zeros((400, 400)))
    assert wavelet_sigma(noise, 1.0) == pytest.approx(wavelet_response(TENT), rel=0.03)


def test_channels_are_denoised_alone_each_at_its_level() -> None:
    image = 40 + 0.6 * color_photograph().astype(np.float64)  # nothing is clipped
    levels = (10.0, 20.0, 30.0)
    noise = sm.CorrelatedNoise(np.einsum("cd,ij->cdij", np.outer(levels, levels), TENT))
    found = sm.denoise(image, noise, PRIOR, data_range=255)
    for c, level in enumerate(levels):
        alone = sm.denoise(np.ascontiguousarray(image[..., c]), noise_of_level(level), PRIOR, data_range=255)
        np.testing.assert_allclose(found[..., c], alone, atol=0.02)


def test_a_color_prior_has_one_level() -> None:
    kernel = np.einsum("cd,ij->cdij", np.array([[0.5, 0.2, 0], [0.2, 1.0, 0], [0, 0, 1.5]]), TENT)
    prior = DeepPrior(sm.DeepConfig(channels=4, depth=2, color=True), TrainedNoise(25 / 255, correlation=kernel))
    image = color_photograph()
    found = sm.denoise(image, sm.CorrelatedNoise(625 * kernel), prior)
    assert np.array_equal(found, sm.denoise(image, 25, prior))
    estimate = sm.estimate_noise(image, prior)
    assert isinstance(estimate, sm.CorrelatedNoise)
    np.testing.assert_allclose(estimate.autocovariance, 625 * kernel, rtol=1e-6)


@pytest.mark.parametrize("prior", [PRIOR, DeepPrior(DEEP, TrainedNoise(25 / 255, correlation=TENT))])
def test_error_bars_are_in_the_metric(prior: sm.Prior) -> None:
    """Within the noise, and near the errors where the prior is right: that of a flat image, for the untrained field."""
    noisy = noise_of_level(25).simulate(np.full((96, 96), 128.0))
    clean, std = sm.denoise(noisy, 25, prior, data_range=255, return_std=True)
    assert std.shape == clean.shape
    assert 0 <= std.min() <= std.max() <= 25 * 1.0001
    if prior is not PRIOR:
        return
    # By the divergence: mean variance is sigma^2 tr(J Sigma) / D.
    risk = np.square(clean - noisy).mean() - 625 + 2 * np.square(std).mean()
    assert risk == pytest.approx(np.square(clean - 128).mean(), rel=0.1, abs=20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 25, "method": "map"}, "MAP takes white noise, and this prior was trained on correlated noise"),
        ({"noise": 25, "prior": SIDEWAYS, "self_ensemble": True}, "a self-ensemble turns the image"),
        ({"noise": sm.PoissonGaussianNoise(2.0)}, "the noise is gain 2, .*: take a prior of white noise"),
        ({"noise": sm.CorrelatedNoise(np.einsum("cd,ij->cdij", np.eye(3), TENT))}, "3 channels, the image has 1"),
    ],
)
@pytest.mark.usefixtures("_no_work_begins")
def test_what_does_not_suit_the_prior_is_refused(photograph: np.ndarray, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.denoise(photograph, **{"prior": PRIOR, **options})


def test_a_self_ensemble_of_noise_that_keeps_turned(photograph: np.ndarray) -> None:
    turned = sm.denoise(np.rot90(photograph).copy(), 25, PRIOR, self_ensemble=True)
    straight = sm.denoise(photograph, 25, PRIOR, self_ensemble=True)
    assert np.abs(np.rot90(straight).astype(int) - turned).max() <= 1


def test_channels_without_noise_stay() -> None:
    assert ChannelLevels((0.0, 0.0)).level == 0
