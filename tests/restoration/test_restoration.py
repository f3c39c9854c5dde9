"""Restoration: types, levels, operators, and that no result is worse than its start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.priors.kinds import build_prior
from scorematching.priors.tweedie import tweedie
from scorematching.restoration import BicubicDownsampling
from scorematching.restoration.clipping import unclipped
from scorematching.restoration.color import opponent
from scorematching.restoration.map_estimate import maximum_a_posteriori
from scorematching.restoration.operators import Identity, bicubic_upscale


def noisy(image: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.rint(np.clip(image + noise, 0, 255)).astype(np.uint8)


def test_tweedie_by_hand(photograph: np.ndarray, prior: sm.Prior) -> None:
    y = photograph.astype(np.float32) / 255
    planes = torch.from_numpy(y)[None, None]
    expected = planes + (25 / 255) ** 2 * prior.score(planes)
    np.testing.assert_allclose(sm.denoise(y, 25 / 255, prior), expected[0, 0].numpy(), rtol=1e-6)


def test_all_types_denoise_alike(photograph: np.ndarray, prior: sm.Prior) -> None:
    image = noisy(photograph, 25)
    eight = sm.denoise(image, 25, prior)
    sixteen = sm.denoise(image.astype(np.uint16) * 257, 25 * 257, prior)
    floats = sm.denoise(image / 255, 25 / 255, prior)
    assert (eight.dtype, sixteen.dtype, floats.dtype) == (np.uint8, np.uint16, np.float64)
    np.testing.assert_allclose(sixteen / 257, eight, atol=0.51)
    np.testing.assert_allclose(np.clip(floats * 255, 0, 255), eight, atol=0.51)


def test_the_noise_that_was_cut_off_is_drawn_from_its_distribution() -> None:
    """Mean and spread of a Gaussian below black, and above white, are those of the truncated normal."""
    y, x, sigma = torch.zeros(1, 1, 400, 500), torch.full((1, 1, 400, 500), 0.05), 0.1
    found = unclipped(y, x, sigma, torch.Generator().manual_seed(0)).double()
    a = torch.tensor(-0.5, dtype=torch.float64)
    ratio = torch.exp(-a.square() / 2) / (2 * torch.pi) ** 0.5 / torch.special.ndtr(a)
    mean, variance = 0.05 - sigma * ratio, sigma**2 * (1 - a * ratio - ratio.square())
    assert found.max() <= 0
    assert abs(found.mean() - mean) < 4 * (variance / y.numel()).sqrt()
    assert found.var() == pytest.approx(float(variance), rel=0.02)
    mirrored = unclipped(1 - y, 1 - x, sigma, torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(1 - mirrored, found)


@pytest.mark.parametrize("values", [[0.1, 0.2, 0.9], [-0.1, 0.0, 0.0], [1.0, 1.0, 1.1]])
def test_a_range_that_cuts_nothing_off(values: list[float]) -> None:
    y = torch.tensor(values)[None, None, None]
    assert unclipped(y, y, 0.1) is y


def test_blacks_that_an_8_bit_file_has_clipped(prior: sm.Prior) -> None:
    """Most of what the clipping costs is won back, and the same seed gives the same bits."""
    clean = held_out_photograph("camera")[150:250, 100:300]
    dark = np.clip(1.5 * clean.astype(float) - 60, 0, 255)
    noise = np.random.default_rng(0).normal(0, 25, dark.shape)
    whole = sm.denoise((dark + noise).astype(np.float32), 25, prior, data_range=255)
    cut = noisy(dark, 25)
    restored = sm.denoise(cut, 25, prior)
    assert np.array_equal(restored, sm.denoise(cut, 25, prior))
    trusting = torch.from_numpy(cut / np.float32(255))[None, None]
    first = tweedie(trusting, 25 / 255, prior)[0, 0].numpy().clip(0, 1)
    best, found, naive = (sm.psnr(dark / 255, image) for image in (whole / 255, restored / 255, first))
    assert best - found < 0.4 * (best - naive)


def test_colors_are_taken_apart_without_coloring_the_noise() -> None:
    noise = torch.randn(3, 1, 200, 300, generator=torch.Generator().manual_seed(0))
    found = opponent(noise)[:, 0].flatten(1)
    torch.testing.assert_close(found @ found.T / found.shape[1], torch.eye(3), rtol=0, atol=0.02)
    gray = torch.rand(1, 1, 4, 5).expand(3, -1, -1, -1)
    torch.testing.assert_close(opponent(gray)[1:], torch.zeros(2, 1, 4, 5), rtol=0, atol=1e-6)
    torch.testing.assert_close(opponent(opponent(noise), back=True), noise)


def test_colors_together_are_better_than_each_for_itself(prior: sm.Prior) -> None:
    clean = data.astronaut()[60:160, 160:260] / np.float32(255)
    observed = (clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)).astype(np.float32)
    together = sm.psnr(clean, sm.denoise(observed, 25 / 255, prior, data_range=1.0))
    each = np.stack([sm.denoise(observed[..., c], 25 / 255, prior, data_range=1.0) for c in range(3)], 2)
    assert together > sm.psnr(clean, each) + 0.25


def test_color_and_alpha(photograph: np.ndarray, prior: sm.Prior) -> None:
    image = noisy(photograph, 25)
    gray = sm.denoise(image, 25, prior)
    alpha = np.arange(image.size, dtype=np.uint8).reshape(image.shape)
    color = sm.denoise(np.stack([image, image, image, alpha], 2), 25, prior)
    for channel in range(3):
        np.testing.assert_array_equal(color[..., channel], gray)
    np.testing.assert_array_equal(color[..., 3], alpha)


@pytest.mark.parametrize("sigma", [8.0, 25.0, 50.0])
def test_denoising_helps_at_any_level(photograph: np.ndarray, prior: sm.Prior, sigma: float) -> None:
    image = photograph + np.random.default_rng(0).normal(0, sigma, photograph.shape)
    restored = sm.denoise(image, sigma, prior, data_range=255)
    assert sm.psnr(photograph, restored, 255) > sm.psnr(photograph, image, 255) + 2


def test_another_level_is_reached_by_contrast(photograph: np.ndarray, prior: sm.Prior) -> None:
    """An image of half the contrast and half the noise is denoised to the same, at half the contrast."""
    image = photograph / 255
    whole, half = sm.denoise(image, 25 / 255, prior), sm.denoise(image / 2, 12.5 / 255, prior)
    np.testing.assert_allclose(half, whole / 2, rtol=1e-4, atol=1e-6)


def test_a_prior_of_clean_images_goes_by_map(photograph: np.ndarray, info: sm.priors.PriorInfo) -> None:
    prior = build_prior(info.replace(sigma=0.0))
    image = noisy(photograph, 25)
    np.testing.assert_array_equal(sm.denoise(image, 25, prior), sm.denoise(image, 25, prior, method="map"))
    with pytest.raises(ValueError, match="this one was fitted on clean ones"):
        sm.denoise(image, 25, prior, method="tweedie")
    with pytest.raises(ValueError, match="method must be"):
        sm.denoise(image, 25, prior, method="magic")


def test_a_fitted_prior_of_clean_images_denoises(photograph: np.ndarray) -> None:
    prior = sm.fit([np.tile(photograph, (2, 2))], steps=60, size=3, filters=8, crop=24).prior
    assert prior.energy.weights.min() >= 0
    image = noisy(photograph, 15)
    restored = sm.denoise(image, 15, prior)
    assert sm.psnr(photograph, restored, 255) > sm.psnr(photograph, image, 255) + 2


def test_map_is_never_less_probable_than_its_start(photograph: np.ndarray, prior: sm.Prior) -> None:
    y = torch.from_numpy(noisy(photograph, 40)[None, None].astype(np.float32) / 255)
    sigma = 40 / 255

    def objective(x: torch.Tensor) -> float:
        energies, _ = prior.energy_and_gradient(x)
        return float(0.5 * (x - y).square().sum() / sigma**2 + energies.sum())

    values = [objective(maximum_a_posteriori(y, Identity(), sigma, prior, y, steps)) for steps in (1, 3, 10, 40)]
    assert objective(y) >= values[0] >= values[1] >= values[2] >= values[3]
    assert values[3] < objective(y)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_adjoint_of_down_sampling_is_exact(factor: int) -> None:
    operator = BicubicDownsampling(factor, (12 * factor, 9 * factor))
    x = torch.randn(2, 1, 12 * factor, 9 * factor, dtype=torch.float64)
    y = torch.randn(2, 1, 12, 9, dtype=torch.float64)
    torch.testing.assert_close((operator(x) * y).sum(), (x * operator.adjoint(y)).sum(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(operator(torch.ones_like(x)), torch.ones_like(y))


def test_the_down_sampling_is_the_standard_one() -> None:
    """Against the bicubic kernel (a = -1/2), stretched by the factor, written out for an inner pixel."""
    operator = BicubicDownsampling(2, (24, 24))
    t = (torch.arange(24, dtype=torch.float64) - (2 * 6 + 0.5)).abs() / 2
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    row = torch.where(t <= 1, near, torch.where(t < 2, far, 0.0)) / 2
    image = torch.randn(1, 1, 24, 24, dtype=torch.float64)
    torch.testing.assert_close(operator(image)[0, 0, 6, 6], row @ image[0, 0] @ row, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3])
def test_upscaling_is_better_than_bicubic(photograph: np.ndarray, prior: sm.Prior, factor: int) -> None:
    small = torch.from_numpy(photograph[None, None].astype(np.float32) / 255)
    small = BicubicDownsampling(factor, photograph.shape)(small)
    eight = np.rint(small[0, 0].numpy() * 255).clip(0, 255).astype(np.uint8)
    large = sm.upscale(eight, factor, prior)
    assert large.shape == photograph.shape
    assert large.dtype == np.uint8
    bicubic = bicubic_upscale(torch.from_numpy(eight[None, None] / 255), factor)[0, 0].numpy() * 255
    assert sm.psnr(photograph, large, 255) > sm.psnr(photograph, bicubic, 255) + 0.3


def test_upscaling_keeps_types_and_channels(photograph: np.ndarray, prior: sm.Prior) -> None:
    image = np.stack([photograph[:20, :24]] * 4, 2).astype(np.uint16) * 257
    large = sm.upscale(image, 2, prior, steps=2)
    assert large.shape == (40, 48, 4)
    assert large.dtype == np.uint16
    np.testing.assert_array_equal(large[::2, ::2, 3], image[..., 3])


@pytest.mark.parametrize("sigma", [0.0, -3.0, float("nan"), float("inf")])
def test_a_sigma_that_is_none(photograph: np.ndarray, prior: sm.Prior, sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma must be a number above 0"):
        sm.denoise(photograph, sigma, prior)
    with pytest.raises(ValueError, match="sigma must be a number above 0"):
        sm.upscale(photograph, 2, prior, sigma=sigma)


def test_bad_factors(photograph: np.ndarray, prior: sm.Prior) -> None:
    for factor in (1, 0, 2.5):
        with pytest.raises(ValueError, match="factor must be a whole number of 2 or more"):
            sm.upscale(photograph, factor, prior)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="divide the size"):
        BicubicDownsampling(2, (5, 4))


@pytest.mark.parametrize("method", ["tweedie", "map"])
def test_a_thorough_denoising_is_the_mean_over_turns_and_mirrorings(prior: sm.Prior, method: str) -> None:
    """So that it turns with the image, as a single one does not."""
    prior.energy.convolutions[0].weight.data += 0.1 * torch.randn(prior.energy.convolutions[0].weight.shape)
    noisy = np.random.default_rng(0).random((24, 32, 3)).astype(np.float32)
    told: list[tuple[int, int]] = []
    found = sm.denoise(noisy, 0.1, prior, data_range=1.0, method=method, self_ensemble=True)
    turns = [(quarters, mirrored) for quarters in range(4) for mirrored in (False, True)]

    def turned(image: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(image[:, ::-1] if mirrored else image, quarters))

    def back(image: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
        return np.rot90(image, -quarters)[:, :: -1 if mirrored else 1]

    singles = [
        back(sm.denoise(turned(noisy, *turn), 0.1, prior, data_range=1.0, method=method), *turn) for turn in turns
    ]
    np.testing.assert_allclose(found, np.mean(singles, axis=0), rtol=1e-4, atol=1e-5)
    assert np.abs(singles[0] - singles[1]).max() > 1e-3
    prior.tile = 16
    sm.denoise(noisy, 0.1, prior, data_range=1.0, self_ensemble=True, progress=lambda *step: told.append(step))
    assert told[-1][0] == told[-1][1] == 8 * 3 * 4
    assert told == sorted(told)
