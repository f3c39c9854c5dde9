"""Noise levels by a prior: known ones are recovered, and nothing is made up where a prior can't tell."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from simulated import noisy_uint8

import scorematching as sm
from scorematching.images.photographs import HELD_OUT, held_out_photograph
from scorematching.images.wavelet_noise import wavelet_sigma
from scorematching.restoration.noise_estimate import _is_correlated, _parts


def noisy(clean: np.ndarray, level: float) -> np.ndarray:
    """Return an image, white at 1, with noise of a level, white being 255."""
    return sm.GaussianNoise(level / 255).simulate(clean)


@pytest.mark.parametrize("name", HELD_OUT)
@pytest.mark.parametrize("level", [3.0, 5.0, 25.0])
def test_known_levels_are_recovered(name: str, level: float, natural: sm.Prior) -> None:
    """Wavelets take texture for noise: the error is a third of theirs, or 2 %."""
    image = noisy(held_out_photograph(name)[60:188, 150:278], level)
    found = 255 * sm.estimate_noise(image, natural, data_range=1.0).sigma
    first = 255 * wavelet_sigma(image, 1.0)
    assert abs(found - level) < max(abs(first - level) / 3, 0.02 * level)


@pytest.mark.parametrize("level", [25, 50])
def test_clipped_white_noise_is_white_and_its_level_is_recovered(level: int, natural: sm.Prior) -> None:
    """The noise of dark pixels is clipped, and looks weaker than that of bright ones."""
    found = sm.estimate_noise(noisy_uint8(np.rint(255 * held_out_photograph("camera")), level), natural)
    assert isinstance(found, sm.GaussianNoise)
    assert found.sigma == pytest.approx(level, rel=0.03)


def test_the_noise_of_saturated_colors_is_found() -> None:
    """Every pixel has a channel that is clipped at 0."""
    clean = np.zeros((96, 96, 3))
    clean[..., 2] = 200
    clean[20:80:6, :, 0] = 230
    found = sm.estimate_noise(noisy_uint8(clean, 10))
    assert isinstance(found, sm.GaussianNoise)
    assert found.sigma == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize("name", ["natural-gray", "natural-color"])
def test_color_images_are_estimated_in_units_of_the_image(name: str) -> None:
    image = np.rint(65535 * noisy(held_out_photograph("chelsea", color=True)[100:172, 100:172], 6).clip(0.01, 1))
    found = sm.estimate_noise(image.astype(np.uint16), name)
    assert found.sigma / 65535 * 255 == pytest.approx(6, rel=0.05)


def test_two_parts_of_a_large_image_are_used(natural: sm.Prior) -> None:
    image = noisy(held_out_photograph("camera"), 5)
    found = sm.estimate_noise(image, natural, data_range=1.0, seed=1)
    assert 255 * found.sigma == pytest.approx(5, rel=0.06)
    shapes = {(512, 512): (2, 1, 128, 128), (60, 900): (1, 1, 60, 256), (150, 160): (1, 1, 150, 160)}
    for size, shape in shapes.items():
        assert _parts(torch.zeros(1, 1, *size), torch.ones(size, dtype=torch.bool)).shape == shape


def test_parts_with_few_silent_pixels_are_used() -> None:
    """Only the right half of the image can be noisy."""
    noisy_pixels = torch.zeros(512, 512, dtype=torch.bool)
    noisy_pixels[:, 256:] = True
    assert _parts(noisy_pixels[None, None].float(), noisy_pixels).all()


@pytest.mark.parametrize("why", ["one level", "clean images", "small", "clipped", "no noise"])
def test_where_a_prior_cannot_tell_the_wavelet_estimate_is_returned(
    why: str, prior: sm.Prior, clean_prior: sm.Prior, natural: sm.Prior
) -> None:
    model = {"one level": prior, "clean images": clean_prior}.get(why, natural)
    image = noisy(held_out_photograph("camera")[:64, :64], 10)
    image = {"small": image[:30], "no noise": np.zeros((64, 64))}.get(why, image)
    data_range = None if why == "clipped" else 1.0
    if why == "clipped":
        image = np.rint(255 * np.clip(2 * image - 0.5, 0, 1)).astype(np.uint8)
    assert sm.estimate_noise(image, model, data_range=data_range).sigma == wavelet_sigma(image, data_range)


def test_correlated_noise_is_found_and_removed_nearly_as_well_as_if_it_was_known(natural: sm.Prior) -> None:
    clean, row = 255 * held_out_photograph("camera")[:256, 120:376], np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 3
    told = sm.CorrelatedNoise(100 * np.outer(row, row))
    image = told.simulate(clean, seed=1)
    with pytest.warns(UserWarning, match="is correlated between pixels"):
        found = sm.estimate_noise(image, natural, data_range=255)
    assert isinstance(found, sm.CorrelatedNoise)
    assert found.sigma == pytest.approx(told.sigma, rel=0.3)
    results = [sm.denoise(image, noise, natural, data_range=255) for noise in (found, told)]
    first, second = (sm.psnr(clean, result, data_range=255) for result in results)
    assert first > second - 0.8
    assert first > sm.psnr(clean, image, data_range=255) + 1.5


def test_correlated_noise_of_gray_stored_as_color_is_the_same_in_all_channels(natural: sm.Prior) -> None:
    row = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 3
    clean = 255 * held_out_photograph("camera")[:256, 120:376]
    gray = sm.CorrelatedNoise(100 * np.outer(row, row)).simulate(clean).clip(0, 255)
    color = np.repeat(np.rint(gray).astype(np.uint8)[..., None], 3, 2)
    with pytest.warns(UserWarning, match="is correlated between pixels"):
        found = sm.estimate_noise(color)
    assert isinstance(found, sm.CorrelatedNoise)
    assert found.channels == 1
    result = sm.denoise(color, found)
    assert np.abs(result[..., 0] - clean).mean() < 0.9 * np.abs(gray - clean).mean()
    np.testing.assert_array_equal(result[..., 0], result[..., 2])


def test_photon_noise_is_found_and_removed_as_if_it_was_known(natural: sm.Prior) -> None:
    clean, told = 255 * held_out_photograph("camera")[:256, 120:376], sm.PoissonGaussianNoise(5.0, 0.0, 4.0)
    image = told.simulate(clean, seed=1)
    found = sm.estimate_noise(image, natural, data_range=255)
    assert isinstance(found, sm.PoissonGaussianNoise)
    assert found.gain == pytest.approx(5, rel=0.1)
    results = [sm.denoise(image, noise, natural, data_range=255) for noise in (found, told)]
    first, second = (sm.psnr(clean, result, data_range=255) for result in results)
    assert first > second - 0.15


def test_the_estimate_is_a_noise_model_in_the_units_of_the_image(photograph: np.ndarray) -> None:
    """By default it is that of the natural prior, and the same for the same seed."""
    image = noisy_uint8(photograph // 2 + 64, 12)
    found = sm.estimate_noise(image)
    assert found == sm.estimate_noise(image, "natural-gray", seed=0)
    assert found != sm.estimate_noise(image, seed=1)
    assert str(found) == f"sigma {found.sigma:.4g}"
    assert found.sigma == pytest.approx(12, rel=0.05)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_photons_of_a_camera_of_12_bits_are_found_in_a_file_of_16_bits(dtype: type, natural: sm.Prior) -> None:
    clean, scale = 200 * held_out_photograph("camera")[:192, 120:312], 16 if dtype is np.uint16 else 1
    image = np.rint(scale * sm.PoissonGaussianNoise(2.0).simulate(clean).clip(0, 255)).astype(dtype)
    found = sm.estimate_noise(image, natural)
    assert isinstance(found, sm.PoissonGaussianNoise)
    assert found.gain == pytest.approx(2 * scale, rel=0.15)


def test_the_middle_of_an_image_without_noise_tells_no_spectrum(natural: sm.Prior) -> None:
    row = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 3
    image = sm.CorrelatedNoise(100 * np.outer(row, row)).simulate(255 * held_out_photograph("camera")[:400, :400])
    image[71:329, 71:329] = 128
    assert isinstance(sm.estimate_noise(image, natural, data_range=255), sm.GaussianNoise)


@pytest.mark.parametrize(
    ("white", "second", "colors", "correlated"),
    [
        (2.4, 10.4, 1, False),  # white noise of level 2 in photographs with texture
        (2.5, 11.7, 1, False),
        (4.8, 12.3, 1, False),
        (0.34, 10.5, 1, True),  # developed photographs
        (2.0, 23.0, 1, True),  # white noise that is blurred by 1 and by 0.5 pixels, and by a triangle
        (9.1, 17.0, 1, True),
        (3.5, 16.6, 1, True),
        (5.1, 7.0, 3, False),  # white noise in color
        (15.0, 15.5, 3, False),
        (12.6, 18.0, 3, True),  # color noise that is blurred by 0.5 pixels
        (2.4, 12.3, 3, True),  # a Bayer mosaic
    ],
)
def test_noise_is_correlated_if_its_second_octave_is_much_stronger_than_white_noise(
    white: float, second: float, colors: int, correlated: bool
) -> None:
    """Levels are on the 0-255 scale, as measured."""
    octaves = [torch.eye(colors) * (level / 255) ** 2 for level in (white, second)]
    assert _is_correlated(octaves, white / 255) == correlated


def test_a_second_octave_below_zero_is_no_noise() -> None:
    """The estimate of a covariance may be negative, for a prior that does not suit the image."""
    octaves = [torch.eye(1), -torch.eye(1)]
    assert not _is_correlated(octaves, 0.01)
