"""Clean images beside noisy ones: which belongs to which, in whose units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import FIELD, as_bytes, short, with_noise

import scorematching as sm
from scorematching.images.photographs import held_out_photograph

QUICK: dict[str, Any] = {"noise": 25, "model": FIELD, "training": short(20, crop=24)}


@pytest.fixture
def images() -> list[np.ndarray]:
    whole = held_out_photograph("camera") * 255
    return [as_bytes(whole[top : top + 96, 100:220]) for top in (60, 200)]


def noisy_bytes(image: np.ndarray) -> np.ndarray:
    return as_bytes(with_noise(image, 25))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_files_are_matched_by_name(images: list[np.ndarray], tmp_path: Path, ending: str) -> None:
    """However they are given, and whatever they end in."""
    for folder in ("noisy", "clean"):
        (tmp_path / folder).mkdir()
    for name, image in zip("ab", images, strict=True):
        sm.write_image(tmp_path / "noisy" / f"{name}.png", noisy_bytes(image))
        sm.write_image(tmp_path / "clean" / f"{name}.{ending}", image)
    files = [tmp_path / "noisy" / name for name in ("b.png", "a.png")]
    found = sm.fit(files, clean=tmp_path / "clean", **QUICK).psnr
    assert found == sm.fit([noisy_bytes(p) for p in images[::-1]], clean=images[::-1], **QUICK).psnr
    (tmp_path / "clean" / f"a.{ending}").rename(tmp_path / "clean" / f"c.{ending}")
    with pytest.raises(ValueError, match=r"must have the same file names: it has c, and lacks a; rename"):
        sm.fit(files, clean=tmp_path / "clean", **QUICK)


def test_one_file_belongs_to_one_file(images: list[np.ndarray], tmp_path: Path) -> None:
    sm.write_image(tmp_path / "noisy.png", noisy_bytes(images[0]))
    sm.write_image(tmp_path / "clean.png", images[0])
    assert sm.fit(tmp_path / "noisy.png", clean=tmp_path / "clean.png", **QUICK).psnr is not None


def test_floating_point_clean_images_have_the_white_of_the_noisy_ones(images: list[np.ndarray]) -> None:
    """Their own maximum is none; one within 0 ... 1 beside integers keeps it."""
    clean = images[0].astype(np.float32)
    noisy = with_noise(clean, 25)
    result = sm.fit(noisy, clean=clean, **QUICK)
    assert result.psnr == pytest.approx(result.expected_psnr, abs=2)
    noisy = noisy_bytes(images[0])
    exact = sm.fit(noisy, clean=images[0], **QUICK).psnr
    for same in (clean, clean / 255):
        assert sm.fit(noisy, clean=same, **QUICK).psnr == pytest.approx(exact, abs=1e-3)
