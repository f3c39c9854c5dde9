"""Clean images beside noisy ones: which belongs to which, in whose units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import scorematching as sm
from scorematching.images.photographs import held_out_photograph

QUICK = {"noisy": True, "steps": 20, "size": 3, "filters": 8, "crop": 24, "batch": 4}


@pytest.fixture
def images() -> list[np.ndarray]:
    whole = held_out_photograph("camera") * 255
    return [np.rint(whole[top : top + 96, 100:220]).astype(np.uint8) for top in (60, 200)]


def with_noise(image: np.ndarray) -> np.ndarray:
    return np.rint((image + np.random.default_rng(0).normal(0, 25, image.shape)).clip(0, 255)).astype(np.uint8)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_files_are_matched_by_name(images: list[np.ndarray], tmp_path: Path, ending: str) -> None:
    """However they are given, and whatever they end in."""
    for folder in ("noisy", "clean"):
        (tmp_path / folder).mkdir()
    for name, image in zip("ab", images, strict=True):
        sm.write_image(tmp_path / "noisy" / f"{name}.png", with_noise(image))
        sm.write_image(tmp_path / "clean" / f"{name}.{ending}", image)
    files = [tmp_path / "noisy" / name for name in ("b.png", "a.png")]
    found = sm.fit(files, sigma=25, clean=tmp_path / "clean", **QUICK).psnr
    assert found == sm.fit([with_noise(p) for p in images[::-1]], sigma=25, clean=images[::-1], **QUICK).psnr
    (tmp_path / "clean" / f"a.{ending}").rename(tmp_path / "clean" / f"c.{ending}")
    with pytest.raises(ValueError, match=r"by their names: it has c, and lacks a; rename"):
        sm.fit(files, sigma=25, clean=tmp_path / "clean", **QUICK)


def test_one_file_belongs_to_one_file(images: list[np.ndarray], tmp_path: Path) -> None:
    sm.write_image(tmp_path / "noisy.png", with_noise(images[0]))
    sm.write_image(tmp_path / "clean.png", images[0])
    assert sm.fit(tmp_path / "noisy.png", sigma=25, clean=tmp_path / "clean.png", **QUICK).psnr is not None


def test_floating_point_clean_images_have_the_white_of_the_noisy_ones(images: list[np.ndarray]) -> None:
    """Their own maximum is none; one within 0 ... 1 beside whole numbers keeps it."""
    clean = images[0].astype(np.float32)
    noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape).astype(np.float32)
    result = sm.fit(noisy, sigma=25, clean=clean, **QUICK)
    assert result.psnr == pytest.approx(result.expected_psnr, abs=2)
    noisy = with_noise(images[0])
    exact = sm.fit(noisy, sigma=25, clean=images[0], **QUICK).psnr
    for same in (clean, clean / 255):
        assert sm.fit(noisy, sigma=25, clean=same, **QUICK).psnr == pytest.approx(exact, abs=1e-3)


def test_the_levels_found_are_those_of_the_images(images: list[np.ndarray]) -> None:
    options = {**QUICK, "model": "deep", "depth": 2, "steps": 1, "sigma": [20, 25], "max_sigma": 60}
    result = sm.fit([with_noise(image) for image in images], **options)
    assert result.found == (20 / 255, 25 / 255)
    assert result.prior.info.levels == (20 / 255, 60 / 255)
