"""Noise levels by a prior: known ones are recovered, and nothing is made up where a prior can't tell."""

from __future__ import annotations

import numpy as np
import pytest

import scorematching as sm
from scorematching.images import to_planes
from scorematching.images.photographs import HELD_OUT, held_out_photograph
from scorematching.images.wavelet_noise import estimate_noise
from scorematching.restoration import find_noise
from scorematching.restoration.noise_estimate import _parts


def _noisy(clean: np.ndarray, level: float) -> np.ndarray:
    return clean + level / 255 * np.random.default_rng(0).standard_normal(clean.shape)


@pytest.mark.parametrize("name", HELD_OUT)
@pytest.mark.parametrize("level", [3.0, 5.0, 25.0])
def test_known_levels_are_recovered(name: str, level: float) -> None:
    """Wavelets take texture for noise: the error is a third of theirs, or 2 %."""
    noisy = _noisy(held_out_photograph(name)[60:188, 150:278], level)
    found = 255 * find_noise(noisy, sm.load_prior("natural-gray"), data_range=1.0)
    first = 255 * estimate_noise(noisy, 1.0)
    assert abs(found - level) < max(abs(first - level) / 3, 0.02 * level)


@pytest.mark.parametrize("name", ["natural-gray", "natural-color"])
def test_of_colors_and_in_units_of_the_image(name: str) -> None:
    noisy = np.rint(65535 * _noisy(held_out_photograph("chelsea", color=True)[100:196, 100:196], 6).clip(0.01, 1))
    found = find_noise(noisy.astype(np.uint16), sm.load_prior(name))
    assert found / 65535 * 255 == pytest.approx(6, rel=0.05)


def test_large_images_are_looked_at_in_two_places() -> None:
    noisy = _noisy(held_out_photograph("camera"), 5)
    prior = sm.load_prior("natural-gray")
    found = find_noise(noisy, prior, data_range=1.0, seed=1)
    assert 255 * found == pytest.approx(5, rel=0.06)
    assert found == find_noise(noisy, prior, data_range=1.0, seed=1)
    shapes = {(512, 512): (2, 1, 128, 128), (60, 900): (1, 1, 60, 256), (150, 160): (1, 1, 150, 160)}
    for size, shape in shapes.items():
        assert _parts(to_planes(np.zeros(size)).data).shape == shape


@pytest.mark.parametrize("why", ["one level", "small", "cut off", "no noise"])
def test_where_a_prior_cannot_tell_it_is_the_first_estimate(why: str, prior: sm.Prior) -> None:
    natural, image = sm.load_prior("natural-gray"), _noisy(held_out_photograph("camera")[:64, :64], 10)
    model = prior if why == "one level" else natural
    image = {"small": image[:30], "cut off": image.clip(0.5, 1), "no noise": np.zeros((64, 64))}.get(why, image)
    data_range = {"cut off": None}.get(why, 1.0)
    if why == "cut off":
        image = np.rint(255 * np.clip(2 * image - 0.5, 0, 1)).astype(np.uint8)
    assert find_noise(image, model, data_range=data_range) == estimate_noise(image, data_range)
