"""The page on a denoised picture: whole, self-contained, with figures that are right."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scorematching as sm
from scorematching.page import _correlation, write_page


@pytest.fixture
def noisy(photograph: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 20, photograph.shape)
    return np.rint(np.clip(photograph + noise, 0, 255)).astype(np.uint8)


def test_the_page_holds_the_pictures_and_the_figures(
    noisy: np.ndarray, photograph: np.ndarray, prior: sm.Prior, tmp_path: Path
) -> None:
    after = sm.denoise(noisy, 20, prior)
    write_page(tmp_path / "it.html", noisy, after, 20, title="<it>", found=True, reference=photograph)
    page = (tmp_path / "it.html").read_text()
    assert "&lt;it&gt;" in page
    assert "sigma 20 of 255, estimated from the picture" in page
    assert f"{sm.psnr(photograph, after):.2f} dB, SSIM {sm.ssim(photograph, after):.3f}" in page
    assert "http" not in page
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", page)
    ]
    np.testing.assert_array_equal(pictures[0], after)
    np.testing.assert_array_equal(pictures[1], noisy)
    assert abs(pictures[2].mean() - 127.5) < 5


def test_colour_and_size(noisy: np.ndarray, tmp_path: Path) -> None:
    large = np.tile(np.stack([noisy] * 3, 2), (30, 2, 1))
    write_page(tmp_path / "it.html", large, large, 20, title="it")
    data = re.findall(r"base64,([A-Za-z0-9+/=]+)", (tmp_path / "it.html").read_text())
    picture = Image.open(io.BytesIO(base64.b64decode(data[0])))
    assert (picture.mode, max(picture.size)) == ("RGB", 2048)


def test_neighbours_of_noise_are_not_correlated_and_those_of_structure_are(photograph: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(size=(1, 200, 200))
    assert abs(_correlation(noise)) < 0.02
    assert _correlation(photograph[None] / 255) > 0.8
