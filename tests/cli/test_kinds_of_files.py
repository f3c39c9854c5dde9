"""``scorematching denoise`` on files of microscopes: channels, wide and signed integers, NumPy arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from command_line import run
from simulated import noisy_uint8

from scorematching.images import read_pages, write_image, write_pages


def error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))


def test_each_channel_is_denoised_and_they_stay_in_one_page(photograph: np.ndarray, tmp_path: Path) -> None:
    clean = np.stack([photograph, 0.5 * photograph + 20, 200.0 - 0.5 * photograph], 2)
    noisy = np.stack([noisy_uint8(clean[..., k], level) for k, level in enumerate((25, 15, 10))], 2)
    tifffile.imwrite(tmp_path / "a.tif", noisy, photometric="minisblack", planarconfig="contig")
    assert run("denoise", tmp_path / "a.tif", "-o", tmp_path / "b.tif", "--prior", "natural-gray-small") == 0
    result = tifffile.imread(tmp_path / "b.tif")
    assert result.shape == noisy.shape
    assert all(error(result[..., k], clean[..., k]) < 0.7 * error(noisy[..., k], clean[..., k]) for k in range(3))


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32"])
def test_signed_and_wide_integers_are_denoised(dtype: str, photograph: np.ndarray, tmp_path: Path) -> None:
    clean = photograph.astype(float) - (100 if dtype.startswith("i") else 0)
    noisy = np.rint(clean + np.random.default_rng(0).normal(0, 15, clean.shape)).clip(np.iinfo(dtype).min).astype(dtype)
    write_image(tmp_path / "a.tif", noisy)
    assert run("denoise", tmp_path / "a.tif", "-o", tmp_path / "b.tif", "--prior", "natural-gray-small") == 0
    result = tifffile.imread(tmp_path / "b.tif")
    assert result.dtype == dtype
    assert error(result, clean) < 0.7 * error(noisy, clean)


def test_a_stack_of_numpy_is_denoised(photograph: np.ndarray, tmp_path: Path) -> None:
    noisy = [noisy_uint8(photograph, 20)] * 2
    write_pages(tmp_path / "a.npy", noisy)
    assert run("denoise", tmp_path / "a.npy", "-o", tmp_path / "b.npy", "--prior", "natural-gray-small") == 0
    result = list(read_pages(tmp_path / "b.npy"))
    assert len(result) == 2
    assert error(result[0], photograph) < 0.7 * error(noisy[0], photograph)
