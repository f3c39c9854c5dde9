"""Conversion between images and planes, and arrays that are refused."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from image_samples import FLOATS, INTEGERS, RANDOM

from scorematching.images import from_planes, to_planes

IMAGES = INTEGERS | FLOATS


@pytest.mark.parametrize("name", IMAGES)
def test_planes_convert_back_to_the_image(name: str) -> None:
    image = IMAGES[name]
    planes = to_planes(image)
    back = from_planes(planes, planes.data)
    assert back.dtype == image.dtype
    np.testing.assert_allclose(back, image, rtol=1e-6)


def test_big_endian_pixels_keep_their_values() -> None:
    image = INTEGERS["gray 16"].astype(">u2")
    planes = to_planes(image)
    np.testing.assert_array_equal(from_planes(planes, planes.data), image)


def test_integers_are_clipped_and_alpha_is_kept() -> None:
    planes = to_planes(INTEGERS["rgba 8"])
    bright = from_planes(planes, planes.data * 3 - 1)
    assert bright.dtype == np.uint8
    assert {bright[..., :3].min(), bright[..., :3].max()} == {0, 255}
    np.testing.assert_array_equal(bright[..., 3], INTEGERS["rgba 8"][..., 3])


@pytest.mark.parametrize(("largest", "white"), [(4000.0, 4000.0), (1.3, 1.0)])
def test_white_of_floating_point_is_one_or_the_largest_value(largest: float, white: float) -> None:
    assert to_planes(np.full((4, 4), largest)).data_range == white


@pytest.mark.parametrize(
    ("image", "kind", "message"),
    [
        ([[1.0]], TypeError, "numpy array of real numbers, got list"),
        (np.zeros((4, 4), np.int64), TypeError, "integers of 8, 16 or 32 bits or floating point, got int64"),
        (np.zeros(4, np.uint8), ValueError, r"shape \(H, W\).*got \(4,\)"),
        (np.zeros((4, 4, 5), np.uint8), ValueError, r"got \(4, 4, 5\)"),
        (np.zeros((0, 4), np.uint8), ValueError, r"got \(0, 4\)"),
        (np.full((4, 4), np.nan), ValueError, "16 values that are NaN or infinite"),
    ],
)
def test_arrays_that_are_not_images_are_refused(image: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        to_planes(image)  # type: ignore[arg-type]


def test_a_data_range_must_be_positive() -> None:
    with pytest.raises(ValueError, match="white, data_range, must be a positive number, got 0"):
        to_planes(INTEGERS["gray 8"], data_range=0.0)


def test_a_result_that_is_not_finite_is_refused() -> None:
    planes = to_planes(INTEGERS["gray 8"])
    with pytest.raises(ValueError, match="63 pixels that are NaN or infinite"):
        from_planes(planes, planes.data * np.nan)


def test_a_large_image_is_converted_with_few_copies() -> None:
    image = RANDOM.integers(0, 65536, (2048, 2048), dtype=np.uint16)
    tracemalloc.start()
    planes = to_planes(image)
    back = from_planes(planes, planes.data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(back, image)
    assert peak < 1.5 * (planes.data.numpy().nbytes + back.nbytes)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32"])
def test_signed_and_wide_integers_keep_their_values_and_are_clipped(dtype: str) -> None:
    limits = np.iinfo(dtype)
    image = np.array([[max(limits.min, -1000), 0, 7], [100, 3, limits.max // 2]], dtype)
    planes = to_planes(image)
    assert planes.data_range == limits.max // 2 if dtype != "int8" else 128
    np.testing.assert_allclose(from_planes(planes, planes.data), image, rtol=1e-7)
    np.testing.assert_array_equal(from_planes(planes, planes.data * 0 + 5)[0], min(5 * planes.data_range, limits.max))
    np.testing.assert_array_equal(from_planes(planes, planes.data * 0 - 5)[0], max(-5 * planes.data_range, limits.min))


@pytest.mark.parametrize("dtype", ["uint32", "float64"])
def test_values_that_differ_too_little_for_their_size_are_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match=r"the values, from 3e\+09, have a range of 56, too small .* subtract 3e\+09"):
        to_planes((INTEGERS["gray 8"].clip(0, 60) + 3e9).astype(dtype))
    assert to_planes(np.full((4, 4), 128.0) + 1e-13 * np.arange(4)).data_range == pytest.approx(128)
    frame = np.array([[1000.0, 1000.001]])  # of a movie whose range is known
    assert to_planes(frame, 5000.0).data_range == 5000
