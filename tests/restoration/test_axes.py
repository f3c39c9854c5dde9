"""Arrays with axes: each image is denoised as it is alone, and the result has the axes of the array."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import noisy_uint8

import scorematching as sm
from scorematching.runtime.progress import Progress


@pytest.fixture
def frames(photograph: np.ndarray) -> np.ndarray:
    """Two frames of three channels of 64 x 80 pixels, TCYX."""
    part = photograph[:64, :80]
    return np.stack([[noisy_uint8(part // (c + 1), 10 + 5 * t) for c in range(3)] for t in range(2)])


def test_each_image_is_denoised_as_it_is_alone(frames: np.ndarray, natural: sm.Prior) -> None:
    steps: list[Progress] = []
    found = sm.denoise(frames, prior=natural, axes="TCYX", progress=steps.append)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[1, 2], sm.denoise(frames[1, 2], prior=natural))
    assert steps[-1].step == steps[-1].steps


def test_the_order_of_axes_makes_no_difference(frames: np.ndarray, prior: sm.Prior) -> None:
    found, std = sm.denoise(frames, 12, prior, axes="TCYX", return_std=True)
    turned, turned_std = sm.denoise(frames.transpose(3, 1, 0, 2), 12, prior, axes="XCTY", return_std=True)
    np.testing.assert_array_equal(turned, found.transpose(3, 1, 0, 2))
    np.testing.assert_array_equal(turned_std, std.transpose(3, 1, 0, 2))


def test_colors_stay_together(frames: np.ndarray, prior: sm.Prior) -> None:
    colors = frames[0]
    found = sm.denoise(colors, 12, prior, axes="SYX")
    np.testing.assert_array_equal(np.moveaxis(found, 0, 2), sm.denoise(np.moveaxis(colors, 0, 2), 12, prior))


def test_images_share_the_value_of_white(frames: np.ndarray, prior: sm.Prior) -> None:
    dim = frames.astype(np.float32)
    found = sm.denoise(dim, 12, prior, axes="TCYX")
    np.testing.assert_array_equal(found[0, 2], sm.denoise(dim[0, 2], 12, prior, data_range=float(dim.max())))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("TCY", "letters of TZCYXS with Y and X, each once, got 'TCY'"),
        ("TTYX", "each once, got 'TTYX'"),
        ("QCYX", "got 'QCYX'"),
        ("TYX", r"axes 'TYX' are 3, but the array has 4 dimensions: \(2, 3, 64, 80\)"),
    ],
)
def test_axes_that_do_not_fit_are_refused(axes: str, message: str, frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match=message):
        sm.denoise(frames, axes=axes)


def test_an_image_that_cannot_be_denoised_is_named(frames: np.ndarray, prior: sm.Prior) -> None:
    movie = frames[:, 0].astype(float)
    movie[1] = np.nan
    with pytest.raises(ValueError, match="image 2 of 2: the image has no finite value"):
        sm.denoise(movie, 12, prior, axes="TYX")
    with pytest.raises(ValueError, match=r"the array has a side of 0: \(0, 64, 80\)"):
        sm.denoise(movie[:0], 12, prior, axes="TYX")
    with pytest.raises(TypeError, match="axes must be a string, got int 3"):
        sm.denoise(movie, 12, prior, axes=3)  # type: ignore[call-overload]


def test_the_byte_order_stays(frames: np.ndarray, prior: sm.Prior) -> None:
    assert sm.denoise(frames.astype(">u2"), 12, prior, axes="TCYX", data_range=255).dtype.str == ">u2"


def test_an_array_of_another_library_is_refused() -> None:
    with pytest.raises(TypeError, match="numpy array of real numbers or an array of dask, Zarr or xarray, got list"):
        sm.denoise([[[1.0]]], axes="TYX")  # type: ignore[call-overload]
