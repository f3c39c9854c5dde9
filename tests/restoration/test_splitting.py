"""Noise that is not white is removed by splitting, with a denoiser of white noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.noise import Covariance, NoiseModel
from scorematching.restoration.splitting import split
from scorematching.runtime.progress import Progress, ProgressCallback


def photograph() -> np.ndarray:
    return 255 * held_out_photograph("camera")[60:188, 150:278]


def blurred(sigma: float) -> sm.CorrelatedNoise:
    """Return white noise that was averaged over squares of 3 pixels."""
    row = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 3
    return sm.CorrelatedNoise(sigma**2 * np.outer(row, row))


def quality(clean: np.ndarray, image: np.ndarray) -> float:
    return sm.psnr(clean, image, data_range=255)


def test_without_noise_nothing_changes_and_levels_fall() -> None:
    y, levels = torch.rand(1, 1, 9, 8), []

    def denoiser(x: Tensor, level: float, progress: ProgressCallback | None) -> Tensor:
        levels.append(level)
        if progress is not None:
            progress(Progress(1, 1))
        return x

    seen: list[Progress] = []
    covariance: Covariance = blurred(0.3).covariance(y, 1.0)
    torch.testing.assert_close(split(y, covariance, denoiser, seen.append), y)
    assert levels[0] < covariance.level
    assert levels == sorted(levels, reverse=True)
    assert [state.step / state.steps for state in seen] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_frequencies_without_noise_come_from_the_data() -> None:
    """Noise averaged over two rows has nothing at the highest vertical frequency: there nothing is damped."""
    stripes = torch.full((1, 1, 32, 32), -0.5)
    stripes[..., ::2, :] = 0.5
    noise = sm.CorrelatedNoise(np.outer([0.5, 1.0, 0.5], [0.0, 1.0, 0.0]))
    damped = noise.covariance(stripes, 1.0).damped(stripes, 0.1)[..., 8:24, :]
    torch.testing.assert_close(damped, stripes[..., 8:24, :], rtol=0.02, atol=0.02)


def test_correlated_noise_is_removed_better_than_by_any_level(natural: sm.Prior) -> None:
    clean, noise = photograph(), blurred(10)
    image = noise.simulate(clean, seed=1)
    found = quality(clean, sm.denoise(image, noise, natural, data_range=255))
    white = [quality(clean, sm.denoise(image, level, natural, data_range=255)) for level in (10, 15, 20, 30)]
    assert found > max(white) + 0.3
    assert found > quality(clean, image) + 2.5


def test_fast_is_better_than_nothing_and_worse_than_splitting(natural: sm.Prior) -> None:
    clean, noise = photograph(), blurred(10)
    image = noise.simulate(clean, seed=1)
    once, split_ = (
        quality(clean, sm.denoise(image, noise, natural, data_range=255, fast=fast)) for fast in (True, False)
    )
    assert quality(clean, image) + 2 < once < split_


def test_correlated_photons_are_removed_better_than_stationary_noise(natural: sm.Prior) -> None:
    clean = photograph()
    noise = sm.ModulatedNoise(sm.PoissonGaussianNoise(3.0), blurred(1))
    image = noise.simulate(clean, seed=1)
    level = float(np.sqrt(noise.variance(clean).mean()))
    mean = sm.CorrelatedNoise(level**2 * noise.correlation.autocovariance / noise.correlation.sigma**2)
    found, std = sm.denoise(image, noise, natural, data_range=255, return_std=True)
    assert quality(clean, found) > quality(clean, sm.denoise(image, mean, natural, data_range=255)) + 0.1
    assert std.mean() == pytest.approx(np.abs(found - clean).mean() * 1.25, rel=0.4)


def test_a_noise_map_can_be_correlated(natural: sm.Prior) -> None:
    clean = photograph()
    noise = sm.ModulatedNoise(sm.NoiseMap(np.linspace(2, 25, 128 * 128).reshape(128, 128)), blurred(1))
    image = noise.simulate(clean, seed=1)
    white = quality(clean, sm.denoise(image, noise.level, natural, data_range=255))
    assert quality(clean, sm.denoise(image, noise, natural, data_range=255)) > white + 0.5


def test_noise_of_three_channels_suits_gray_stored_as_color() -> None:
    gray = np.repeat(photograph()[:64, :64, None], 3, 2)
    noise = sm.ChannelNoise((4.0, 8.0, 16.0))
    assert sm.denoise(gray, noise, data_range=255).shape == gray.shape


def test_a_result_that_moves_further_than_the_noise_explains_is_warned_of(prior: sm.Prior) -> None:
    image = np.random.default_rng(0).integers(1, 255, (40, 72), dtype=np.uint8)
    with pytest.warns(UserWarning, match="times as strong as the noise, sigma 25: the image may be damaged"):
        sm.denoise(image, 25, prior)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((3.0, blurred(1)), TypeError, "got float and CorrelatedNoise"),
        ((blurred(1), blurred(1)), ValueError, "without correlation"),
        ((sm.GaussianNoise(1), sm.CorrelatedNoise(np.zeros((1, 1)))), ValueError, "a channel without noise"),
    ],
)
def test_modulated_noise_of_other_parts_is_refused(arguments: tuple, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sm.ModulatedNoise(*arguments)


@pytest.mark.parametrize(
    "noise",
    [sm.ChannelNoise((4.0, 8.0, 16.0)), sm.NoiseMap(np.linspace(2, 25, 128 * 128).reshape(128, 128))],
    ids=["channels", "map"],
)
def test_levels_of_channels_and_pixels_are_better_than_their_mean(noise: NoiseModel) -> None:
    clean = 255 * held_out_photograph("chelsea", color=True)[60:188, 150:278]
    image = noise.simulate(clean, seed=1)
    level = float(np.sqrt(noise.variance(clean).mean()))
    assert (
        quality(clean, sm.denoise(image, noise, data_range=255))
        > quality(clean, sm.denoise(image, level, data_range=255)) + 0.3
    )


def test_pixels_and_channels_without_noise_are_kept(natural: sm.Prior) -> None:
    clean = photograph()
    sigma = np.zeros(clean.shape)
    sigma[:, 64:] = 25
    image = sm.NoiseMap(sigma).simulate(clean)
    found = sm.denoise(image, sm.NoiseMap(sigma), natural, data_range=255)
    np.testing.assert_allclose(found[:, :64], image[:, :64], atol=1e-3)
    assert quality(clean[:, 64:], found[:, 64:]) > quality(clean[:, 64:], image[:, 64:]) + 4


def test_error_bars_are_of_the_size_of_the_error(natural: sm.Prior) -> None:
    """They are an approximation: too small where the splitting removes structure."""
    clean, noise = photograph(), blurred(10)
    found, std = sm.denoise(noise.simulate(clean, seed=1), noise, natural, data_range=255, return_std=True)
    error = np.abs(found - clean)
    predicted, true = float(np.sqrt(np.mean(std**2))), float(np.sqrt(np.mean(error**2)))
    assert 0.7 < predicted / true < 1.1
    flat = std < np.median(std)
    assert error[flat].mean() < error[~flat].mean()


def test_noise_of_the_wrong_shape_is_refused_before_work(natural: sm.Prior) -> None:
    with pytest.raises(ValueError, match="the noise map has shape"):
        sm.denoise(photograph(), sm.NoiseMap(np.arange(16.0).reshape(4, 4)), natural, data_range=255)
    with pytest.raises(ValueError, match="3 channels"):
        sm.denoise(photograph(), sm.CorrelatedNoise(np.eye(3)[:, :, None, None]), natural, data_range=255)
