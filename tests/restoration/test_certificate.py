"""Certificates: the expected quality is the true one, and what is off is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.noise import NoiseModel, from_record
from scorematching.restoration.certificate import Certificate, certify
from scorematching.restoration.structure import _neighbors


def certificate(clean: np.ndarray, true: NoiseModel, given: NoiseModel, prior: sm.Prior) -> tuple[Certificate, float]:
    """Return the certificate of an image with true noise that was denoised with another, and the true PSNR."""
    noisy = true.simulate(clean, seed=2)

    def denoiser(image: np.ndarray) -> np.ndarray:
        return sm.denoise(image, given, prior, data_range=255)

    found = denoiser(noisy)
    return certify(noisy, found, given, denoiser, 255), sm.psnr(clean, found, data_range=255)


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return 255 * held_out_photograph("camera")[40:232, 150:342]


ROW = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 3


@pytest.mark.parametrize(
    "noise",
    [sm.GaussianNoise(15), sm.PoissonGaussianNoise(2.0, 0.0, 3.0), sm.CorrelatedNoise(100 * np.outer(ROW, ROW))],
)
def test_the_expected_quality_is_the_true_one(noise: NoiseModel, clean: np.ndarray, natural: sm.Prior) -> None:
    found, true = certificate(clean, noise, noise, natural)
    assert found.psnr is not None
    assert found.psnr_error is not None
    assert abs(found.psnr - true) < 2.5 * found.psnr_error
    assert 0.8 < found.removed < 1.02
    assert json.loads(json.dumps(found.as_record()))["psnr"] == found.psnr
    assert not found.advice


@pytest.mark.parametrize(
    ("true", "given", "words"),
    [
        (sm.GaussianNoise(5), sm.GaussianNoise(20), "the noise may be weaker"),
        (sm.PoissonGaussianNoise(3.0), sm.GaussianNoise(18), "changes with brightness"),
        (sm.CorrelatedNoise(200 * np.outer(ROW, ROW)), sm.GaussianNoise(45), "more alike than"),
    ],
)
def test_what_is_off_is_named(
    true: NoiseModel, given: NoiseModel, words: str, clean: np.ndarray, natural: sm.Prior
) -> None:
    assert any(words in advice for advice in certificate(clean, true, given, natural)[0].advice)


@pytest.mark.parametrize("seed", range(12))
def test_a_small_image_has_no_false_advice(seed: int, prior: sm.Prior) -> None:
    """On 64 x 64 pixels, rank correlations of 16 squares scatter by 0.26. A tenth of the pixels is clipped at black."""
    rows, columns = np.mgrid[:64, :64]
    clean = 60 + 50 * np.sin(columns / 7) + 40 * (rows > 32)
    noisy = (clean + np.random.default_rng(seed).normal(0, 20, clean.shape)).round().clip(0, 255).astype(np.uint8)

    def denoiser(image: np.ndarray) -> np.ndarray:
        return sm.denoise(image, 20, prior, data_range=255)

    advice = certify(noisy, denoiser(noisy), sm.GaussianNoise(20), denoiser, 255).advice
    assert not [words for words in advice if "quality" not in words]


def test_a_channel_without_noise_leaves_the_others(prior: sm.Prior) -> None:
    noise, clean = sm.ChannelNoise((20.0, 20.0, 0.0)), np.full((96, 96, 3), 128.0)
    noisy = noise.simulate(clean)
    found = certify(noisy, clean, noise, lambda _: clean, 255)
    assert found.removed == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    "noise",
    [
        sm.GaussianNoise(25),
        sm.PoissonGaussianNoise(2.0, 1.0, 3.0),
        sm.ChannelNoise((1.0, 2.0)),
        sm.NoiseMap(np.arange(6.0).reshape(2, 3)),
        sm.CorrelatedNoise(np.outer([0.5, 1, 0.5], [0.5, 1, 0.5])),
    ],
)
def test_noise_models_survive_json(noise: NoiseModel) -> None:
    assert from_record(json.loads(json.dumps(sm.noise.as_record(noise)))) == noise


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"model": "other"},
        {"model": ["GaussianNoise"]},
        {"model": "GaussianNoise", "gain": 1},
        {"model": "ChannelNoise", "sigmas": 5},
        {"model": "NoiseMap", "sigma": [[1, 2], [3]]},
        {"model": "ModulatedNoise", "level": {"model": "GaussianNoise", "sigma": 3}},
    ],
)
def test_other_records_are_refused(record: object) -> None:
    with pytest.raises(ValueError, match="record"):
        from_record(record)


def test_neighboring_pixels_of_structure_are_correlated(clean: np.ndarray) -> None:
    noise = torch.randn(1, 1, 200, 200)
    assert abs(_neighbors(noise)) < 0.03
    assert _neighbors(torch.from_numpy(clean)[None, None]) > 0.8


def test_grayscale_stored_as_color_has_the_quality_of_grayscale(clean: np.ndarray, natural: sm.Prior) -> None:
    color = np.repeat(clean[:, :, None], 3, 2)
    noisy = np.repeat(sm.GaussianNoise(15).simulate(clean, seed=2)[:, :, None], 3, 2)

    def denoiser(image: np.ndarray) -> np.ndarray:
        return sm.denoise(image, 15, natural, data_range=255)

    result = denoiser(noisy)
    found = certify(noisy, result, sm.GaussianNoise(15), denoiser, 255)
    assert found.psnr is not None
    assert found.psnr_error is not None
    assert abs(found.psnr - sm.psnr(color, result, data_range=255)) < 2.5 * found.psnr_error


@pytest.mark.parametrize("noise", [sm.GaussianNoise(5), sm.ChannelNoise((0.0,)), sm.NoiseMap(np.eye(64))])
def test_where_no_pixel_counts_the_quality_is_unknown(noise: NoiseModel) -> None:
    gray = np.full((64, 64), 128.0)
    found = certify(gray, gray, noise, lambda image: image, 255)
    assert found.psnr is None
    assert found.advice
    json.dumps(found.as_record(), allow_nan=False)
