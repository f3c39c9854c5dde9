"""Training on images with correlated noise: in its metric, with one correlation for all images."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from simulated import color_photograph
from small_models import FIELD, short

import scorematching as sm
from scorematching.priors import TrainedNoise
from scorematching.training import correlation
from scorematching.training.data import open_images
from scorematching.training.noise import with_noise

pytestmark = pytest.mark.recorded

SIDE = 128
TENT = np.outer([0.5, 1.0, 0.5], [0.5, 1.0, 0.5])
WIDE = np.outer([0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25], [0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25])
NOISE = sm.CorrelatedNoise(0.1**2 * TENT)
#: Correlated along the rows only.
ROWS = sm.CorrelatedNoise(25**2 * np.array([[0.0, 0.0, 0.0], [0.5, 1.0, 0.5], [0.0, 0.0, 0.0]]))


def noise_of_level(level: float, channels: int = 1) -> sm.CorrelatedNoise:
    return sm.CorrelatedNoise(np.einsum("cd,ij->cdij", level**2 * np.eye(channels), TENT))


def error(result: np.ndarray, clean: np.ndarray) -> float:
    return float(np.square(result - clean)[8:-8, 8:-8].mean())


@pytest.fixture(scope="module")
def gaussian() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A Gaussian image of known covariance, the same with correlated noise, and the result of the Wiener filter."""
    density = sm.CorrelatedNoise(0.15**2 * WIDE)
    clean = density.simulate(np.full((SIDE, SIDE), 0.5), 1)
    noisy = NOISE.simulate(clean, 2)
    signal, noise = (np.maximum(model.spectrum(SIDE, SIDE)[..., 0, 0].numpy().real, 0) for model in (density, NOISE))
    kept = np.divide(signal, signal + noise, out=np.zeros_like(signal), where=signal + noise > 1e-9)
    return clean, noisy, 0.5 + np.fft.irfft2(kept * np.fft.rfft2(noisy - 0.5), noisy.shape)


@pytest.fixture(scope="module")
def fitted(gaussian: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Any:
    clean, noisy, _ = gaussian
    return sm.fit([noisy], noise=NOISE, data_range=1, model=FIELD, training=short(120, batch=8, crop=32), clean=[clean])


def test_the_error_is_near_that_of_the_wiener_filter(gaussian: tuple[np.ndarray, ...], fitted: Any) -> None:
    """Which is the best denoiser of Gaussian images, and has the true covariances."""
    clean, noisy, best = gaussian
    found = sm.denoise(noisy, NOISE, fitted.prior, data_range=1)
    assert fitted.best < fitted.history[0][2] - 0.01
    assert 0.95 * error(best, clean) < error(found, clean) < 1.15 * error(best, clean)
    assert error(found, clean) < 0.6 * error(noisy, clean)
    assert fitted.expected_psnr == pytest.approx(fitted.psnr, abs=1.5)


@pytest.mark.filterwarnings("ignore:what was removed")  # by the wrong model
def test_white_noise_is_the_wrong_model_and_a_warning_says_so(gaussian: tuple[np.ndarray, ...], fitted: Any) -> None:
    clean, noisy, _ = gaussian
    with pytest.warns(UserWarning, match=r"Stein's estimate .* not above 0.*one of the right correlation"):
        white = sm.fit([noisy], noise=0.1, data_range=1, model=FIELD, training=short(120, batch=8, crop=32))
    of_white, of_metric = (
        error(sm.denoise(noisy, 0.1, result.prior, data_range=1), clean) for result in (white, fitted)
    )
    assert of_metric < 0.5 * of_white


def test_a_prior_that_makes_images_worse_is_told(gaussian: tuple[np.ndarray, ...]) -> None:
    noisy = gaussian[1]
    with pytest.warns(UserWarning, match="times that of the noisy images, so the prior makes them worse: train for"):
        sm.fit([noisy], noise=0.1 * NOISE.sigma, data_range=1, model=FIELD, training=short(1))


def test_the_recursion_is_exact_in_the_metric(fitted: Any) -> None:
    energy = fitted.prior.in_metric(fitted.prior.energy)
    assert energy is not fitted.prior.energy
    assert sm.exactness_report(energy).exact


def test_the_denoiser_is_tweedies_formula_in_the_metric(gaussian: tuple[np.ndarray, ...], fitted: Any) -> None:
    noisy, prior = gaussian[1], fitted.prior
    y = torch.from_numpy(noisy).float()[None, None]
    step = 0.1**2 * torch.nn.functional.conv2d(prior.score(y), torch.from_numpy(TENT).float()[None, None], padding=1)
    for noise in (NOISE, 0.1, None):  # a number has the correlation of the prior; unknown noise has its level too
        found = sm.denoise(noisy, noise, prior, data_range=1)
        np.testing.assert_allclose(found, (y + step)[0, 0], atol=1e-5)


def test_the_file_has_the_correlation(fitted: Any, tmp_path: Path) -> None:
    noise = fitted.prior.noise
    assert (noise.reach, noise.sigma, noise.range) == (1, pytest.approx(0.1), pytest.approx((0.1, 0.1)))
    assert noise.neighbors == pytest.approx(0.5)
    np.testing.assert_allclose(noise.kernel[0, 0], TENT)
    assert (
        fitted.prior.provenance.data == "1 noisy, correlated (sigma 0.1, correlation of neighbors 0.50) images: array 0"
    )
    sm.save_prior(fitted.prior, tmp_path / "p.safetensors")
    back = sm.load_prior(tmp_path / "p.safetensors")
    assert back.noise == noise
    y = torch.rand(1, 1, 20, 20)
    assert torch.equal(sm.priors.tweedie(y, 0.1, back), sm.priors.tweedie(y, 0.1, fitted.prior))


def test_channels_have_their_own_level_and_a_field_sees_one_correlation() -> None:
    """The covariance between channels does not matter to a field, which sees each channel alone."""
    kernel = np.einsum("cd,ij->cdij", np.outer([10.0, 20.0, 30.0], [10.0, 20.0, 30.0]), TENT)
    known = with_noise(open_images([color_photograph()]), sm.CorrelatedNoise(kernel))
    assert [round(255 * plane.sigma) for plane in known.images[0]] == [10, 20, 30]
    assert [plane.contrast for plane in known.images[0]] == pytest.approx([2, 1, 2 / 3])
    np.testing.assert_allclose(known.correlation, TENT[None, None])
    prior = sm.fit([color_photograph()], noise=sm.CorrelatedNoise(kernel), model=FIELD, training=short(3)).prior
    assert prior.noise is not None
    assert [round(255 * level) for level in prior.noise.range] == [10, 30]


def test_a_color_prior_has_the_whole_covariance() -> None:
    kernel = np.einsum("cd,ij->cdij", np.array([[100.0, 50, 0], [50, 200, 0], [0, 0, 300]]), TENT)
    model = sm.DeepConfig(channels=4, depth=2, color=True)
    training = short(3, crop=24, blind=True)
    prior = sm.fit([color_photograph()], noise=sm.CorrelatedNoise(kernel), model=model, training=training).prior
    assert prior.noise is not None
    assert prior.noise.sigma == pytest.approx(200**0.5 / 255)
    np.testing.assert_allclose(prior.noise.kernel, kernel / 200)


def test_images_of_several_levels_share_a_correlation(photograph: np.ndarray) -> None:
    images = open_images([photograph, photograph])
    known = with_noise(images, [noise_of_level(10), noise_of_level(30)])
    assert [round(255 * level) for level in known.levels] == [10, 30]
    assert round(255 * known.level) == 20
    np.testing.assert_allclose(known.correlation, TENT[None, None])


def test_the_tail_of_a_correlation_is_left_out() -> None:
    kernel = np.pad(TENT, 5)
    kernel[0, 0] = kernel[-1, -1] = 0.003
    known = with_noise(open_images([np.zeros((40, 40))], 1.0), sm.CorrelatedNoise(kernel))
    np.testing.assert_allclose(known.correlation, TENT[None, None], atol=1e-12)


@pytest.mark.parametrize(("noise", "turned"), [(NOISE, True), (ROWS, False)])
def test_crops_are_turned_where_the_noise_stays_the_same(noise: sm.CorrelatedNoise, turned: bool) -> None:
    assert TrainedNoise.with_autocovariance(torch.from_numpy(noise.autocovariance)).keeps_turned is turned


@pytest.mark.usefixtures("_no_work_begins")
@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ([noise_of_level(9), 9.0], "array 1: its noise, sigma 9, is not correlated, but that of array 0 is"),
        ([noise_of_level(9), ROWS], "array . *: the correlation of its noise differs by 0.25 .*: fit a prior to each"),
        ([noise_of_level(9, 3), noise_of_level(9)], "array 0: the noise is for 3 channels, the image has 1"),
        ([sm.NoiseMap(np.linspace(1, 9, 96 * 120).reshape(96, 120))] * 2, "white, or to CorrelatedNoise"),
    ],
)
def test_noise_of_different_kinds_is_refused(photograph: np.ndarray, noise: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.fit([photograph, photograph], noise=noise, model=FIELD)


def test_levels_are_not_added_to_correlated_noise(photograph: np.ndarray) -> None:
    model = sm.DeepConfig(channels=4, depth=2)
    with pytest.raises(ValueError, match="max_sigma adds white noise to images with white noise, got sigma 9"):
        sm.fit([photograph], noise=noise_of_level(9), model=model, training=short(2, max_sigma=50.0))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([True] * 3, [20, 20, 20]),
        ([True, False, True], [20, 40, 20]),
        ([True, False, False], None),
        ([False, False, False], None),
    ],
)
def test_noise_counts_as_correlated_by_most_images(
    found: list[bool], expected: list[int] | None, photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that seems white gets its level by the wavelet estimates: here it has twice the contrast."""
    small = photograph // 4
    images = open_images([small if one else 2 * small for one in found])
    estimates = iter([noise_of_level(20) if one else sm.GaussianNoise(3) for one in found])
    monkeypatch.setattr(correlation, "estimate_noise", lambda *_, **__: next(estimates))
    if expected is None:
        assert correlation.found_correlated(images) is None
        return
    with pytest.warns(UserWarning, match=r"found is correlated between pixels \(0.50 between neighbors\)"):
        noise = correlation.found_correlated(images)
    assert noise is not None
    assert [round(one.sigma) for one in noise] == expected
    assert correlation.shared_correlation(images, noise, estimated=True) is not None


def test_found_noise_is_trained_on_and_white_noise_has_its_old_level(
    noisy: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        white = with_noise(open_images([noisy]), None, correlated=True)
    assert (white.level, white.correlation) == (with_noise(open_images([noisy]), None).level, None)
    monkeypatch.setattr(correlation, "estimate_noise", lambda *_, **__: noise_of_level(20))
    with pytest.warns(UserWarning, match="the noise that was found is correlated"):
        prior = sm.fit([noisy], model=FIELD, training=short(3)).prior
    assert prior.noise is not None
    assert (prior.noise.reach, round(255 * prior.noise.sigma)) == (1, 20)
