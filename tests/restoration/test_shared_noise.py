"""Noise that the colors share, as in JPEG files, is found; texture that they share is not taken for it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from simulated import noisy_uint8

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.restoration.shared_noise import with_shared_noise


def photograph() -> np.ndarray:
    return 255 * held_out_photograph("astronaut", color=True)[:256, 100:356]


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Return an image as it is after it was stored in a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize(("quality", "level", "gain"), [(80, 20, 6.0), (95, 10, 4.7)])
def test_the_noise_of_color_jpeg_files_is_found_and_removed(quality: int, level: float, gain: float) -> None:
    """A color prior alone finds so little of it that the PSNR rises by 2.8 and 4.3 dB."""
    clean = photograph()
    image = jpeg(noisy_uint8(clean, level), quality)
    with pytest.warns(UserWarning, match="is correlated between pixels"):
        found = sm.estimate_noise(image)
    before, after = (sm.psnr(clean, result, data_range=255) for result in (image, sm.denoise(image, found)))
    assert after - before > gain


def test_noise_of_independent_colors_is_left_as_it_was_found() -> None:
    y = torch.from_numpy(np.moveaxis(sm.GaussianNoise(15).simulate(photograph()), 2, 0) / 255)[:, None].float()
    octaves = [torch.eye(3) * (15 / 255) ** 2] * 3
    found = with_shared_noise(octaves, y, torch.ones(256, 256, dtype=torch.bool), 0)
    assert all(torch.equal(one, other) for one, other in zip(found, octaves, strict=True))


@pytest.mark.filterwarnings("ignore:the noise that was found is correlated")
@pytest.mark.parametrize(("name", "psnr"), [("astronaut", 40), ("chelsea", 50)])
def test_texture_of_a_clean_photograph_is_kept(name: str, psnr: float) -> None:
    image = np.rint(255 * held_out_photograph(name, color=True)[:300, 100:400]).astype(np.uint8)
    assert sm.psnr(image, sm.denoise(image)) > psnr
