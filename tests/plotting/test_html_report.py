"""The HTML report: self-contained, with the right images and measurements."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from simulated import noisy_uint8

import scorematching as sm
from scorematching.images import ssim
from scorematching.plotting.html_report import write_page
from scorematching.restoration.certificate import certify

NOISE = sm.GaussianNoise(20)


def write(path: Path, before: np.ndarray, after: np.ndarray, noise: sm.GaussianNoise, **options: Any) -> None:
    certificate = certify(before, after, noise, lambda image: image)
    write_page(path, before, after, certificate, **options)


@pytest.fixture
def noisy(photograph: np.ndarray) -> np.ndarray:
    return noisy_uint8(photograph, 20)


def test_the_page_shows_the_images_and_the_measurements(
    noisy: np.ndarray, photograph: np.ndarray, prior: sm.Prior, tmp_path: Path
) -> None:
    after = sm.denoise(noisy, NOISE, prior)
    write(tmp_path / "it.html", noisy, after, NOISE, title="<it>", found=True, reference=photograph)
    page = (tmp_path / "it.html").read_text()
    assert "&lt;it&gt;" in page
    assert "sigma 20, white is 255, estimated from the image" in page
    assert f"{sm.psnr(photograph, after):.2f} dB, SSIM {ssim(photograph, after):.3f}" in page
    assert "http" not in page
    images = images_of(tmp_path / "it.html")
    np.testing.assert_array_equal(images[0], after)
    np.testing.assert_array_equal(images[1], noisy)
    assert abs(images[2].mean() - 127.5) < 5


def test_pixels_that_the_model_gives_no_noise_show_none_removed(photograph: np.ndarray, tmp_path: Path) -> None:
    """Photons leave black pixels without noise: nothing is divided by 0."""
    noise = sm.PoissonGaussianNoise(2.0)
    black = photograph.copy()
    black[:40] = 0
    certificate = certify(black, black, noise, lambda image: image)
    write_page(tmp_path / "it.html", black, black, certificate, title="it")
    assert images_of(tmp_path / "it.html")[2][0, 0] in (127, 128)


def test_a_modulated_noise_without_read_noise_divides_nothing_by_0(photograph: np.ndarray, tmp_path: Path) -> None:
    noise = sm.ModulatedNoise(sm.PoissonGaussianNoise(2.0), sm.CorrelatedNoise(np.ones((1, 1))))
    black = photograph.copy()
    black[:40] = 0
    certificate = certify(black, black, noise, lambda image: image)
    write_page(tmp_path / "it.html", black, black, certificate, title="it")
    assert images_of(tmp_path / "it.html")[2][0, 0] in (127, 128)


def test_the_page_shows_error_bars(noisy: np.ndarray, photograph: np.ndarray, tmp_path: Path) -> None:
    std = np.full(noisy.shape, 2.0, np.float32)
    std[:40] = 8.0
    write(tmp_path / "it.html", noisy, photograph, NOISE, title="it", std=std)
    assert "black 0, white 8 or more" in (tmp_path / "it.html").read_text()
    shown = images_of(tmp_path / "it.html")[3]
    assert (shown[0, 0], shown[-1, 0]) == (255, 64)


def images_of(page: Path) -> list[np.ndarray]:
    found = re.findall(r"base64,([A-Za-z0-9+/=]+)", page.read_text())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def test_a_large_image_is_shown_shrunk_with_a_crop_at_full_size(noisy: np.ndarray, tmp_path: Path) -> None:
    before = np.tile(np.stack([noisy, noisy, 255 - noisy], 2), (30, 2, 1))
    write(tmp_path / "it.html", before, before // 2, NOISE, title="it")
    after, first, taken, *middle = images_of(tmp_path / "it.html")
    assert after.shape == first.shape == taken.shape == (2048, 171, 3)
    assert (tmp_path / "it.html").read_text().count("at 71% of the size, which averages noise away") == 2
    np.testing.assert_array_equal(middle[0], before[1184:1696] // 2)
    np.testing.assert_array_equal(middle[1], before[1184:1696])
    assert middle[2].shape == (512, 240, 3)


def test_a_small_image_has_no_crop(noisy: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / "it.html", noisy, noisy, NOISE, title="it")
    assert len(images_of(tmp_path / "it.html")) == 3
    assert "of the size" not in (tmp_path / "it.html").read_text()


def test_the_reference_has_a_white_of_its_own(noisy: np.ndarray, photograph: np.ndarray, tmp_path: Path) -> None:
    """The reference has 8 bits, and the image has 16 bits and an alpha channel."""
    before = np.stack([noisy * np.uint16(257), np.arange(noisy.size, dtype=np.uint16).reshape(noisy.shape)], 2)
    write(tmp_path / "it.html", before, before, sm.GaussianNoise(20 * 257), title="it", reference=photograph)
    expected = f"{sm.psnr(photograph, noisy):.2f} dB, SSIM {ssim(photograph, noisy):.3f}"
    assert (tmp_path / "it.html").read_text().count(expected) == 2


def test_small_images_have_no_ssim(noisy: np.ndarray, photograph: np.ndarray, tmp_path: Path) -> None:
    before, clean = noisy[:10], photograph[:10]
    write(tmp_path / "it.html", before, before, NOISE, title="it", reference=clean)
    page = (tmp_path / "it.html").read_text()
    assert f"<td>{sm.psnr(clean, before):.2f} dB</td>" in page
    assert "SSIM" not in page


def test_a_reference_of_other_colors_is_refused(noisy: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the reference has shape \(96, 120, 3\), the image \(96, 120\)"):
        write(tmp_path / "it.html", noisy, noisy, NOISE, title="it", reference=np.stack([noisy] * 3, 2))
    assert not (tmp_path / "it.html").exists()
