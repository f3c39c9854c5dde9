"""Noise from frames: known parameters are recovered, motion does not count, and what can't be told is remarked."""

from __future__ import annotations

import numpy as np
import pytest

from scorematching.noise import GaussianNoise, PoissonGaussianNoise, noise_of_frames

RAMP = np.tile(np.linspace(0, 1, 128), (128, 1))


def shots(noise: GaussianNoise | PoissonGaussianNoise, scene: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    return np.stack([noise.simulate(scene, 1000 * seed + k) for k in range(count)])


@pytest.mark.parametrize(("gain", "offset", "read", "peak"), [(0.5, 0, 0, 20), (3, 100, 2, 20), (20, 100, 1, 300)])
def test_gain_and_intercept_are_recovered_from_ten_frames(gain: float, offset: float, read: float, peak: float) -> None:
    noise = PoissonGaussianNoise(gain, offset, read * gain)
    found = noise_of_frames(shots(noise, offset + gain * peak * RAMP, 10))
    assert isinstance(found.noise, PoissonGaussianNoise)
    assert found.noise.gain == pytest.approx(gain, rel=0.03)
    intercept = found.noise.sigma**2 - found.noise.gain * found.noise.offset
    assert abs(intercept - (noise.sigma**2 - gain * offset)) < 4 * found.standard_errors["intercept"]
    assert found.depends_on_brightness
    assert "known together only" in found.remarks[-1]


def test_standard_errors_cover_and_come_near_the_bound() -> None:
    """100 runs of six frames of a ramp of 64 x 128 pixels."""
    noise, scene = PoissonGaussianNoise(2.0, 100.0, 6.0), 100 + 2 * 50 * RAMP[:64]
    variance = 2 * (scene - 100) + 36
    design = np.stack([scene.ravel(), np.ones(scene.size)], 1) / variance.ravel()[:, None]
    bound = np.sqrt(np.linalg.inv(5 / 2 * design.T @ design)[0, 0])
    errors, covered = [], []
    for seed in range(100):
        found = noise_of_frames(shots(noise, scene, 6, seed + 1))
        errors.append(found.noise.gain - 2)
        covered.append(abs(errors[-1]) < 1.96 * found.standard_errors["gain"])
    assert np.std(errors) < 1.4 * bound
    assert abs(np.mean(errors)) < 3 * bound / np.sqrt(100)
    assert np.mean(covered) >= 0.88


def test_dark_and_flat_frames_tell_the_offset_from_the_read_noise() -> None:
    noise = PoissonGaussianNoise(2.0, 100.0, 5.0)
    dark = shots(noise, np.full((128, 128), 100.0), 3, seed=1)
    flat = [shots(noise, np.full((128, 128), level), 4, seed=2) for level in (300.0, 700.0)]
    found = noise_of_frames(shots(noise, 100 + 40 * RAMP, 2), dark, flat)
    errors = found.standard_errors
    assert abs(found.noise.gain - 2) < 4 * errors["gain"] < 0.2
    assert abs(found.noise.offset - 100) < 4 * errors["offset"] < 0.5
    assert abs(found.noise.sigma - 5) < 4 * errors["sigma"] < 0.5
    assert not any("together" in remark for remark in found.remarks)
    single = noise_of_frames(shots(noise, 100 + 400 * RAMP, 4), dark[:1])
    assert single.noise.sigma == pytest.approx(5, rel=0.1)
    assert any("fixed pattern" in remark for remark in single.remarks)


def test_moving_objects_and_drift_of_the_lamp_do_not_count() -> None:
    noise = PoissonGaussianNoise(2.0, 100.0, 6.0)
    texture = np.random.default_rng(0).random((40, 40)).repeat(2, 0).repeat(2, 1)[:40, :40]
    frames = []
    for k in range(10):
        scene = 100 + (200 + 3 * k) * RAMP
        scene[30:70, 6 * k : 6 * k + 40] = 120 + 250 * texture
        frames.append(noise.simulate(scene, k))
    found = noise_of_frames(np.stack(frames))
    assert found.noise.gain == pytest.approx(2, rel=0.06)
    assert any("Moving parts" in remark for remark in found.remarks)


def test_what_frames_cannot_tell_is_remarked() -> None:
    noise = PoissonGaussianNoise(2.0, 0.0, 3.0)
    even = noise_of_frames(shots(noise, np.full((96, 96), 200.0), 4))
    assert isinstance(even.noise, GaussianNoise)
    assert even.noise.sigma == pytest.approx(np.sqrt(409), rel=0.03)
    assert np.isnan(even.slope)
    assert not even.depends_on_brightness
    assert "no range of brightness" in even.remarks[-1]
    full = noise_of_frames(np.minimum(shots(noise, 300 * RAMP, 4), 200.0))
    assert any("Saturated" in remark for remark in full.remarks)
    assert full.noise.gain == pytest.approx(2, rel=0.1)
    constant = noise_of_frames(np.full((3, 64, 64), 7, np.uint8))
    assert constant.noise == GaussianNoise(0.0)
    assert "No block" in constant.remarks[-1]


def test_white_noise_is_left_alone() -> None:
    found = [noise_of_frames(shots(GaussianNoise(10.0), 200 * RAMP, 4, seed)) for seed in range(10)]
    assert not any(estimate.depends_on_brightness for estimate in found)


def test_colors_count_together() -> None:
    noise = PoissonGaussianNoise(2.0, 0.0, 3.0)
    scene = 200 * RAMP[..., None] * np.array([1.0, 0.7, 0.4])
    assert noise_of_frames(shots(noise, scene, 4)).noise.gain == pytest.approx(2, rel=0.06)


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        (np.zeros((1, 20, 20)), ValueError, r"frames must have shape .* T 2 or more"),
        (np.zeros((20, 20)), ValueError, r"frames must have shape"),
        (np.full((2, 20, 20), np.nan), ValueError, "frames has 800 values that are NaN"),
        ([[1.0]], TypeError, "frames must be a numpy array of numbers, got list"),
    ],
)
def test_other_frames_are_refused(frames: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        noise_of_frames(frames)
