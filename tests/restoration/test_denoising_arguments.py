"""The noise and the prior of a denoising: defaults, forms that are taken, and others that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from simulated import noisy_uint8

import scorematching as sm
from scorematching.images.wavelet_noise import wavelet_sigma


@pytest.mark.parametrize("clipped", [True, False])
@pytest.mark.parametrize("kind", ["gray", "color"])
def test_an_image_alone_is_denoised(
    photograph: np.ndarray, color_photograph: np.ndarray, kind: str, clipped: bool
) -> None:
    """The noise level is estimated, and the natural prior chosen: the bits of both given explicitly.

    Where the range has not clipped the noise, the prior refines the estimate.
    """
    clean = photograph if kind == "gray" else color_photograph
    clean = clean if clipped else clean // 4 + 96
    image = noisy_uint8(clean, 25)
    restored = sm.denoise(image, seed=1)
    assert (restored.dtype, restored.shape) == (np.uint8, image.shape)
    assert sm.psnr(clean, restored) > sm.psnr(clean, image) + 6
    natural = sm.load_prior(f"natural-{kind}")
    noise = sm.estimate_noise(image, natural, seed=1)
    np.testing.assert_array_equal(restored, sm.denoise(image, noise, natural, seed=1))
    assert (noise.sigma == wavelet_sigma(image)) == clipped


@pytest.mark.parametrize("noise", [25.0, np.float32(25), np.int64(25), sm.GaussianNoise(25)])
def test_noise_is_a_number_or_a_model(photograph: np.ndarray, prior: sm.Prior, noise: Any) -> None:
    np.testing.assert_array_equal(sm.denoise(photograph, noise, prior), sm.denoise(photograph, 25, prior))


@pytest.mark.parametrize(
    ("noise", "error", "message"),
    [
        *((level, ValueError, f"noise must be a number above 0, got {level!r}") for level in (0, -3.0, np.nan, np.inf)),
        (True, ValueError, "noise must be a number above 0, got True"),
        *(
            (given, TypeError, "noise must be a number or a noise model such as GaussianNoise")
            for given in ("25", [25])
        ),
        (sm.FieldConfig(), TypeError, "got FieldConfig"),
    ],
)
def test_other_noise_is_refused(
    photograph: np.ndarray, prior: sm.Prior, noise: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        sm.denoise(photograph, noise, prior)
    with pytest.raises(error, match=message):
        sm.upscale(photograph, 2, prior, noise=noise)


@pytest.mark.parametrize("noise", [None, sm.GaussianNoise(0)])
def test_an_image_without_noise_comes_back_with_a_warning(noise: sm.GaussianNoise | None) -> None:
    flat = np.full((40, 48, 3), 77, np.uint8)
    with pytest.warns(
        UserWarning, match="the noise level is 0, so the image is returned unchanged: pass noise"
    ) as seen:
        found = sm.denoise(flat, noise)
    np.testing.assert_array_equal(found, flat)
    assert not np.shares_memory(found, flat)
    assert seen[0].filename == __file__
