"""PSNR and SSIM against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scorematching.images import psnr, ssim


def test_psnr_of_a_constant_error() -> None:
    assert psnr(np.zeros((16, 16)), np.full((16, 16), 0.01)) == pytest.approx(40)


def test_the_restored_image_is_clipped_first() -> None:
    restored = np.where(np.eye(16) > 0, 0.04, -5.0)
    assert psnr(np.zeros((16, 16)), restored) == pytest.approx(40)


@pytest.mark.parametrize("shape", [(1, 1), (10, 20), (20, 10, 3), (400,)])
def test_ssim_of_images_below_its_window_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="ssim takes images with sides of 11 pixels or more, got shape"):
        ssim(np.zeros(shape), np.ones(shape))


def test_ssim_of_an_inverted_image_is_low() -> None:
    assert ssim(np.eye(16), 1 - np.eye(16)) < 0.1


def test_images_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the same shape, got \(16, 16\) and \(4, 4\)"):
        psnr(np.zeros((16, 16)), np.zeros((4, 4)))
