"""Denoising of images whose noise grows with brightness."""

from __future__ import annotations

import numpy as np
import pytest

import scorematching as sm
from scorematching.restoration.classics import non_local_means


@pytest.mark.parametrize("read", [0.0, 2.0])
def test_low_light_is_denoised_better_than_by_the_best_single_level(
    photograph: np.ndarray, natural: sm.Prior, read: float
) -> None:
    """By more than a decibel; blacks stay black, and pixels keep their mean."""
    gain = 255 / 10
    noise = sm.PoissonGaussianNoise(gain, sigma=gain * read)
    clean = photograph.astype(np.float64)
    clean[:40, :40] = 0
    noisy = noise.simulate(clean)
    restored = sm.denoise(noisy, noise, natural, data_range=255)
    level = np.sqrt(gain * clean.mean() + (gain * read) ** 2)
    single = 255 * non_local_means(noisy / 255, level / 255, clean / 255)
    assert sm.psnr(clean, restored, 255) > sm.psnr(clean, single, 255) + 1
    assert np.abs(restored[4:36, 4:36]).max() < 0.1 * 255
    assert restored.mean() == pytest.approx(noisy.mean(), rel=0.01)


def test_an_offset_stays_and_units_do_not_matter(photograph: np.ndarray, prior: sm.Prior) -> None:
    noise = sm.PoissonGaussianNoise(gain=2.0, sigma=1.0)
    noisy = noise.simulate(40 + 0.8 * photograph)  # bright enough that no noise is added
    plain = sm.denoise(noisy, noise, prior, data_range=255)
    shifted = sm.denoise(noisy + 100, sm.PoissonGaussianNoise(2, offset=100, sigma=1), prior, data_range=355)
    scaled = sm.denoise(noisy * 8, sm.PoissonGaussianNoise(16, sigma=8), prior, data_range=255 * 8)
    np.testing.assert_allclose(shifted - 100, plain, atol=1e-2)
    np.testing.assert_allclose(scaled / 8, plain, atol=1e-3)


def test_integers_in_color_keep_their_type(color_photograph: np.ndarray, color_prior: sm.Prior) -> None:
    noise = sm.PoissonGaussianNoise(gain=2.0, sigma=3.0)
    noisy = np.rint(noise.simulate(color_photograph)).clip(0, 255).astype(np.uint8)
    restored = sm.denoise(noisy, noise, color_prior)
    assert (restored.dtype, restored.shape) == (np.uint8, noisy.shape)
    np.testing.assert_array_equal(restored, sm.denoise(noisy, noise, color_prior))


def test_an_offset_at_white_is_refused(photograph: np.ndarray, prior: sm.Prior) -> None:
    with pytest.raises(ValueError, match="offset must be below white, 255, got 255"):
        sm.denoise(photograph, sm.PoissonGaussianNoise(2, offset=255), prior)


def test_restoration_of_other_observations_takes_white_noise(photograph: np.ndarray, prior: sm.Prior) -> None:
    noise = sm.PoissonGaussianNoise(gain=2.0)
    blur = sm.restoration.Blur(sm.restoration.gaussian_kernel(1.0))
    message = r"takes white Gaussian noise, .* got gain 2, read noise 0: denoise first"
    with pytest.raises(ValueError, match=message):
        sm.restore(photograph, blur, prior, noise=noise)
    with pytest.raises(ValueError, match=message):
        sm.upscale(photograph, 2, prior, noise=noise)
