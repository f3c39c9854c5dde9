"""Photon noise from one image: known parameters are recovered, and what can't be told is remarked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.noise import GaussianNoise, PoissonGaussianNoise
from scorematching.restoration import estimate_photon_noise
from scorematching.restoration.noise_blocks import squares_of

RAMP = np.tile(np.linspace(0.05, 0.95, 96), (96, 1))


@pytest.mark.parametrize(("gain", "offset", "read", "peak"), [(0.5, 0, 0, 20), (3, 100, 2, 20), (20, 0, 0, 200)])
def test_known_noise_of_a_photograph_is_found(
    gain: float, offset: float, read: float, peak: float, natural: sm.Prior
) -> None:
    noise = PoissonGaussianNoise(gain, offset, read * gain)
    clean = offset + gain * peak * held_out_photograph("camera")[100:292, 150:342]
    found = estimate_photon_noise(noise.simulate(clean), natural, data_range=offset + gain * peak)
    assert found.noise.gain == pytest.approx(gain, rel=0.1)
    assert found.depends_on_brightness
    middle = float(clean.mean())
    variance = found.noise.sigma**2 + found.noise.gain * (middle - found.noise.offset)
    assert variance == pytest.approx(gain * (middle - offset) + noise.sigma**2, rel=0.08)


def test_intervals_of_ramps_cover(natural: sm.Prior) -> None:
    covered = []
    for seed in range(12):
        image = PoissonGaussianNoise(2.0, 0.0, 4.0).simulate(100 * RAMP, seed)
        found = estimate_photon_noise(image, natural, data_range=100, seed=seed)
        covered.append(abs(found.noise.gain - 2) < 1.96 * found.standard_errors["gain"])
    assert np.mean(covered) >= 0.8


def test_the_level_of_flat_images_is_found(natural: sm.Prior) -> None:
    found = estimate_photon_noise(PoissonGaussianNoise(2.0).simulate(np.full((96, 96), 120.0)), natural, data_range=255)
    assert isinstance(found.noise, GaussianNoise)
    assert abs(found.noise.sigma - np.sqrt(240)) < 3 * found.standard_errors["sigma"]
    assert "no range of brightness" in found.remarks[-1]
    assert not found.depends_on_brightness


@pytest.mark.parametrize("level", [5.0, 20.0])
def test_white_noise_does_not_depend_on_brightness(level: float, natural: sm.Prior) -> None:
    clean = 255 * held_out_photograph("camera")[100:228, 150:278]
    assert not estimate_photon_noise(
        GaussianNoise(level).simulate(clean), natural, data_range=255
    ).depends_on_brightness


def test_constant_and_saturated_images_are_remarked(natural: sm.Prior) -> None:
    constant = estimate_photon_noise(np.full((64, 64), 255, np.uint8), natural)
    assert constant.noise == GaussianNoise(0.0)
    assert "No block" in constant.remarks[0]
    noisy = np.minimum(PoissonGaussianNoise(2.0).simulate(250 * RAMP), 200.0)
    found = estimate_photon_noise(noisy, natural, data_range=200)
    assert found.remarks[0] == "Pixels of value 200, an end of the range, do not count."
    assert found.noise.gain == pytest.approx(2, rel=0.15)


def test_clipped_blacks_do_not_count(natural: sm.Prior) -> None:
    """Without an offset, the range of the file clips the read noise of dark pixels."""
    clean = np.tile(np.linspace(0, 200, 192), (96, 1))
    noisy = np.maximum(PoissonGaussianNoise(2.0, 0.0, 8.0).simulate(clean), 0)
    found = estimate_photon_noise(noisy, natural, data_range=255)
    assert "Pixels of value 0, an end of the range, do not count." in found.remarks
    assert found.noise.gain == pytest.approx(2, rel=0.15)


def test_counts_of_no_photon_do_count(natural: sm.Prior) -> None:
    counts = PoissonGaussianNoise(3.0).simulate(3 * 2 * RAMP)
    found = estimate_photon_noise(counts, natural, data_range=30)
    assert not any("end of the range" in remark for remark in found.remarks)
    assert found.noise.gain == pytest.approx(3, rel=0.1)


def test_an_image_without_noise(natural: sm.Prior) -> None:
    assert estimate_photon_noise(200 * RAMP, natural, data_range=255).noise.sigma < 0.2


def test_units_and_missing_pixels_do_not_matter(natural: sm.Prior) -> None:
    image = PoissonGaussianNoise(2.0).simulate(200 * RAMP)
    first = estimate_photon_noise(image, natural, data_range=200)
    second = estimate_photon_noise(image / 50, natural, data_range=4)
    assert 50 * second.noise.gain == pytest.approx(first.noise.gain, rel=0.02)
    image[:20, :20] = np.nan
    assert estimate_photon_noise(image, natural, data_range=200).noise.gain == pytest.approx(2, rel=0.15)


def test_squares_of_large_images_span_the_brightness() -> None:
    data = torch.linspace(0, 1, 640, dtype=torch.float64).expand(1, 1, 512, 640).clone()
    data += 0.01 * torch.randn(data.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    silent = torch.zeros(512, 640, dtype=torch.bool)
    means = [float(square.y.mean()) for square in squares_of(data, silent)]
    assert [square.y.shape for square in squares_of(data, silent)] == [(1, 1, 128, 128)] * 4
    assert means[0] < 0.35
    assert means[-1] > 0.65


def test_a_prior_of_clean_images_is_refused(clean_prior: sm.Prior) -> None:
    with pytest.raises(ValueError, match="by a prior of noisy images"):
        estimate_photon_noise(RAMP, clean_prior)


def test_a_large_constant_image_and_a_color_image(natural: sm.Prior) -> None:
    assert estimate_photon_noise(np.full((300, 300), 7.0), natural, data_range=255).noise == GaussianNoise(0.0)
    scene = 200 * RAMP[..., None] * np.array([1.0, 0.8, 0.6])
    found = estimate_photon_noise(PoissonGaussianNoise(2.0).simulate(scene), data_range=255)
    assert found.noise.gain == pytest.approx(2, rel=0.15)
