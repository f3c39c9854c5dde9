"""Missing pixels: filled from their surroundings, and put back."""

from __future__ import annotations

import numpy as np
import pytest

from scorematching.restoration.missing import fill_missing


def test_an_image_without_missing_pixels_is_as_it_was() -> None:
    image = np.random.default_rng(0).random((8, 9, 3), dtype=np.float32)
    known = fill_missing(image)
    assert known.mask.all()
    np.testing.assert_array_equal(known.planes.data[:, 0].numpy(), np.moveaxis(image, 2, 0))


def test_a_color_that_is_missing_makes_the_pixel_missing() -> None:
    image = np.full((8, 9, 3), 0.5)
    image[2, 3, 1] = np.inf
    known = fill_missing(image)
    assert known.mask.sum() == 8 * 9 - 1
    assert not known.mask[2, 3]
    np.testing.assert_allclose(known.planes.data.numpy(), 0.5)


def test_transparent_pixels_are_missing_and_translucent_ones_are_not() -> None:
    image = np.full((4, 6, 2), 100, np.uint8)
    image[0, :, 1], image[1, :, 1] = 0, 1
    assert fill_missing(image).mask.sum(1).tolist() == [0, 6, 6, 6]


def test_missing_pixels_are_put_back() -> None:
    image = np.array([[1.0, np.nan, 0.5]])
    np.testing.assert_array_equal(fill_missing(image).put_back(np.zeros((1, 3)), image), [[0, np.nan, 0]])


def test_an_invisible_image_has_no_missing_pixels() -> None:
    assert fill_missing(np.zeros((3, 4, 2), np.uint8)).mask.all()


def test_an_image_without_a_finite_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="no finite value"):
        fill_missing(np.full((3, 4), np.nan))
    with pytest.raises(ValueError, match="no pixel whose values are all finite"):
        fill_missing(np.array([[[1.0, np.nan, 0.5], [np.inf, 0.5, 0.5]]]))
