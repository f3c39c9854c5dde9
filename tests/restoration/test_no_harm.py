"""Images that a denoiser could damage: margins, highlights, cut-outs, spikes, hardly any noise, missing pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import scorematching as sm
from scorematching.restoration import Blur, Mask, estimate_noise

SIDE = 96
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


@pytest.fixture
def scene() -> np.ndarray:
    """Waves, a disc and a bar, on the 0-255 scale."""
    disc = (ROWS - 48) ** 2 + (COLUMNS - 40) ** 2 < 500
    return 110 + 50 * np.sin(COLUMNS / 7) + 40 * disc - 30 * (ROWS > 70)


def noisy(clean: np.ndarray, sigma: float) -> np.ndarray:
    return clean + np.random.default_rng(0).normal(0, sigma, clean.shape)


def error(one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square difference."""
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))


def test_a_constant_margin_does_not_count_and_stays(scene: np.ndarray) -> None:
    image, inner = np.full((2 * SIDE, 2 * SIDE), 117, np.uint16), (slice(SIDE // 2, 3 * SIDE // 2),) * 2
    image[inner] = np.rint(noisy(100 + 4 * scene, 60)).clip(0)
    assert estimate_noise(image).sigma == pytest.approx(60, rel=0.1)
    restored = sm.denoise(image)
    assert error(restored[inner], 100 + 4 * scene) < 25
    assert np.abs(restored[:40].astype(int) - 117).max() <= 2


def test_blown_highlights_do_not_count(scene: np.ndarray) -> None:
    image = np.rint(noisy(2.2 * scene, 15)).clip(0, 255).astype(np.uint8)
    assert (image == 255).mean() > 0.3
    assert estimate_noise(image).sigma == pytest.approx(15, rel=0.1)
    assert error(sm.denoise(image), (2.2 * scene).clip(0, 255)) < 5


@pytest.mark.parametrize("under", [0, 255])
def test_what_is_under_transparent_pixels_does_not_count_and_stays(scene: np.ndarray, under: int) -> None:
    colors = (scene[..., None] * [1, 0.8, 0.6]).clip(0, 255)
    alpha = np.where(COLUMNS < 60, 0, 255)
    seen = np.where(alpha[..., None] > 0, np.rint(noisy(colors, 15)).clip(0, 255), under)
    image = np.dstack([seen, alpha]).astype(np.uint8)
    restored = sm.denoise(image)
    assert error(restored[:, 60:, :3], colors[:, 60:]) < 6
    np.testing.assert_array_equal(restored[:, :60], image[:, :60])
    np.testing.assert_array_equal(restored[..., 3], alpha)


def test_a_hot_pixel_harms_nothing_around_it_and_stays(scene: np.ndarray) -> None:
    clean = 100 + 3 * scene
    image = np.rint(noisy(clean, 40)).clip(0).astype(np.uint16)
    image[48, 48] = 65535
    restored, away = sm.denoise(image, 40), np.hypot(ROWS - 48, COLUMNS - 48) > 3
    assert error(restored[away], clean[away]) < 15
    assert restored[48, 48] > 60000


def test_stars_keep_their_light() -> None:
    """Some pixels are a thousand times as bright as the noise; the background is denoised."""
    clean = np.full((SIDE, SIDE), 1000.0)
    clean[::17, ::13] = 30000
    restored = sm.denoise(np.rint(noisy(clean, 30)).astype(np.uint16), 30)
    assert error(restored[clean == 1000], clean[clean == 1000]) < 15
    np.testing.assert_allclose(restored[clean == 30000], 30000, rtol=0.01)


@pytest.mark.parametrize("sigma", [26, 130, 257])
def test_an_image_with_hardly_any_noise_does_not_get_worse(scene: np.ndarray, sigma: float) -> None:
    """A board of two scenes with strong edges, in 16 bits."""
    board = (COLUMNS // 6 + ROWS // 9) % 2 > 0
    clean = np.where(board, 257 * scene, 65000 - 257 * scene / 2)
    image = np.rint(noisy(clean, sigma)).clip(0, 65535).astype(np.uint16)
    restored = sm.denoise(image, sigma)
    assert error(restored, clean) <= 1.02 * error(image, clean)
    assert np.abs(restored.astype(float) - image).max() < 8 * sigma


def test_missing_pixels_stay_and_the_others_are_denoised(scene: np.ndarray) -> None:
    image = noisy(scene, 15).astype(np.float32)
    image[:, :12], image[50, 50] = np.nan, np.inf
    assert estimate_noise(image).sigma == pytest.approx(15, rel=0.1)
    restored, known = sm.denoise(image), np.isfinite(image)
    np.testing.assert_array_equal(restored[~known], image[~known])
    assert error(restored[known], scene[known]) < 6


def test_an_image_without_any_known_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="no finite value"):
        sm.denoise(np.full((SIDE, SIDE), np.nan))


def test_the_color_prior_takes_gray_that_is_stored_as_color(scene: np.ndarray) -> None:
    image = np.repeat(np.rint(noisy(scene, 15)).clip(0, 255).astype(np.uint8)[..., None], 3, 2)
    restored = sm.denoise(image, 15, "natural-color")
    assert error(restored, np.repeat(scene[..., None], 3, 2)) < 12


def test_restoration_takes_white_from_a_dim_image() -> None:
    """A 12-bit image in 16 bits is restored as well as with its white given."""
    clean = 100 + 900 * ((COLUMNS // 8 + ROWS // 8) % 2)
    image = np.rint(clean + np.random.default_rng(0).normal(0, 3, clean.shape)).astype(np.uint16)
    known = np.random.default_rng(1).random(image.shape) > 0.3
    holes = Mask(torch.from_numpy(known))
    own, given = (sm.restore(image, holes, "natural-gray-small", steps=8, data_range=r) for r in (None, 1023))
    np.testing.assert_array_equal(own, given)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (lambda: sm.PoissonGaussianNoise(gain=1e30), "more than 1000 times the range of the image, 255"),
        (lambda: sm.PoissonGaussianNoise(gain=2, sigma=1e300), "more than 1e.06 photons of gain 2: take GaussianNoise"),
        (lambda: 1e300, "more than 1000 times the range of the image, 255"),
    ],
)
def test_noise_far_above_the_range_is_refused(scene: np.ndarray, noise: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.denoise(scene.astype(np.uint8), noise())


def test_noise_far_below_the_range_leaves_the_image_as_it_is(scene: np.ndarray) -> None:
    image = scene.astype(np.uint8)
    with pytest.warns(UserWarning, match="the noise level is 0"):
        np.testing.assert_array_equal(sm.denoise(image, 1e-30, method="map"), image)


def test_a_kernel_of_zeros_is_refused() -> None:
    with pytest.raises(ValueError, match="the kernel is zero everywhere"):
        Blur(torch.zeros(3, 3))


@pytest.mark.filterwarnings("ignore:what was removed")
def test_a_prior_that_diverges_moves_no_pixel_by_more_than_8_levels(
    scene: np.ndarray, prior: sm.Prior, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a prior may that is told much less noise than there is."""
    monkeypatch.setattr("scorematching.restoration.plan.posterior_mean", lambda y, *_: y + 0.5 * (y > 0.5))
    restored = sm.denoise(scene, 5, prior, data_range=255)
    assert error(restored, scene) > 20
    assert np.abs(restored - scene).max() == pytest.approx(40, rel=1e-3)
