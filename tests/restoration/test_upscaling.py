"""Super-resolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import scorematching as sm
from scorematching.restoration import BicubicDownsampling


@pytest.mark.parametrize("factor", [2, 3])
def test_upscaling_is_better_than_bicubic(photograph: np.ndarray, prior: sm.Prior, factor: int) -> None:
    shrink = BicubicDownsampling(factor, photograph.shape)
    small = shrink(torch.from_numpy(photograph[None, None].astype(np.float32)))
    eight = np.rint(small[0, 0].numpy()).clip(0, 255).astype(np.uint8)
    large = sm.upscale(eight, factor, prior)
    assert (large.shape, large.dtype) == (photograph.shape, np.uint8)
    bicubic = shrink.start(torch.from_numpy(eight[None, None] / 255))[0, 0].numpy() * 255
    assert sm.psnr(photograph, large, 255) > sm.psnr(photograph, bicubic, 255) + 0.3


def test_upscaling_keeps_types_and_channels(photograph: np.ndarray, prior: sm.Prior) -> None:
    image = np.stack([photograph[:20, :24]] * 4, 2).astype(np.uint16) * 257
    large = sm.upscale(image, 2, prior, steps=2)
    assert (large.shape, large.dtype) == ((40, 48, 4), np.uint16)
    np.testing.assert_array_equal(large[::2, ::2, 3], image[..., 3])


def test_gray_stored_as_color_stays_gray(photograph: np.ndarray, natural: sm.Prior) -> None:
    image = photograph[:32, :40]
    gray = sm.upscale(image, 2, natural, steps=2)
    np.testing.assert_array_equal(sm.upscale(np.stack([image] * 3, 2), 2, natural, steps=2), np.stack([gray] * 3, 2))


@pytest.mark.parametrize("factor", [1, 0, 2.5, True, "2"])
def test_factors_that_are_no_count_are_refused(photograph: np.ndarray, prior: sm.Prior, factor: Any) -> None:
    with pytest.raises(ValueError, match=f"factor must be an integer of 2 or more, got {factor!r}"):
        sm.upscale(photograph, factor, prior)


def test_arrays_that_are_no_image_are_refused(prior: sm.Prior) -> None:
    with pytest.raises(TypeError, match="image must be a numpy array of real numbers, got list"):
        sm.upscale([[1, 2]], 2, prior)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"image must have shape \(H, W\)"):
        sm.upscale(np.zeros(4, np.uint8), 2, prior)
