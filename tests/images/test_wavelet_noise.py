"""The wavelet estimate of noise: near the true level, in the units of the image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.restoration import estimate_sigma

from scorematching.images.wavelet_noise import wavelet_sigma


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_the_estimate_is_in_the_units_of_the_image(white: float) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1 * white, (128, 128, 3))
    assert wavelet_sigma(0.5 * white + noise, data_range=white) == pytest.approx(0.1 * white, rel=0.05)


def test_a_constant_image_has_no_noise() -> None:
    assert wavelet_sigma(np.full((64, 64), 0.5)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("shape", [(64, 64), (33, 50), (97, 120)])
def test_the_estimate_is_that_of_scikit_image(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(0.5, 0.1, shape).astype(np.float32)
    assert wavelet_sigma(image, 1.0) == pytest.approx(estimate_sigma(image), rel=1e-12)


def test_pixels_that_cannot_be_noisy_do_not_count() -> None:
    image = np.random.default_rng(0).normal(0.5, 0.1, (128, 128)).astype(np.float32)
    image[:100] = 0.3
    assert wavelet_sigma(image, 1.0) == pytest.approx(0.1, rel=0.06)
    assert wavelet_sigma(np.full((64, 64), 0.3), 1.0) == 0
