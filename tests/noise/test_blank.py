"""Correlated noise is measured in an image of an even surface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scorematching as sm

TENT = np.outer([0.5, 1.0, 0.5], [0.5, 1.0, 0.5])


def test_the_autocovariance_is_found_and_ends_where_it_ends() -> None:
    """Also where the light falls off."""
    noise = sm.CorrelatedNoise(100 * TENT)
    light = np.add.outer(np.linspace(100, 160, 300), np.linspace(0, 40, 260))
    found = sm.CorrelatedNoise.from_blank(noise.simulate(light, 1))
    assert found.reach == 1
    np.testing.assert_allclose(found.autocovariance, noise.autocovariance, atol=3)


def test_the_covariance_of_channels_is_found_with_its_direction() -> None:
    """The second channel is the first one, moved by a pixel, and as strong again."""
    white = np.random.default_rng(0).standard_normal((201, 200))
    found = sm.CorrelatedNoise.from_blank(np.stack([white[:-1], 2 * white[1:]], 2))
    assert (found.channels, found.reach) == (2, 1)
    expected = np.zeros((2, 2, 3, 3))
    expected[0, 0, 1, 1], expected[1, 1, 1, 1], expected[0, 1, 0, 1], expected[1, 0, 2, 1] = 1, 4, 2, 2
    np.testing.assert_allclose(found.autocovariance, expected, atol=0.1)


def test_white_noise_is_white() -> None:
    found = sm.CorrelatedNoise.from_blank(np.random.default_rng(0).normal(100, 5, (100, 100)))
    assert found.reach == 0
    assert found.sigma == pytest.approx(5, rel=0.03)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((63, 100)), r"64 x 64 pixels or more, got \(63, 100\)"),
        (np.zeros((2, 2, 64, 64)), r"must have shape \(H, W\) or \(H, W, C\)"),
        (np.full((64, 64), np.nan), "values that are not finite"),
        (np.full((64, 64), 7), "has no noise: all its pixels are equal"),
    ],
)
def test_what_is_no_blank_image_is_refused(image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.CorrelatedNoise.from_blank(image)
