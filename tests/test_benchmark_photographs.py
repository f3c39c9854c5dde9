"""Benchmark photographs: cutting them into tiles, and training on a folder of them. Nothing is downloaded."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scorematching as sm
from benchmarks import photographs
from benchmarks.training import training

RANDOM = np.random.default_rng(0)


def test_tiles_are_of_the_detailed_half_at_several_sizes() -> None:
    pixels = np.full((1300, 1600, 3), 90, np.uint8)
    pixels[:, :1000] = RANDOM.integers(0, 256, (1300, 1000, 3), dtype=np.uint8)
    tiles = list(photographs._tiles(Image.fromarray(pixels)))
    assert [tile.shape for tile in tiles] == [(180, 180, 3)] * (6 + 4 + 2 + 1)  # shorter sides of 720 to 320
    assert all(tile.std() > 5 for tile in tiles)


def test_a_small_photograph_is_not_resized() -> None:
    pixels = RANDOM.integers(0, 256, (320, 400, 3), dtype=np.uint8)
    (tile,) = photographs._tiles(Image.fromarray(pixels))
    assert any((tile == pixels[:180, x : x + 180]).all() for x in (0, 180))


def test_large_photographs_are_found_in_a_resource_file(tmp_path: Path) -> None:
    """Small images and other data between them are skipped."""
    file = b"RIFF, but no image"
    for side in (600, 500):
        buffer = io.BytesIO()
        Image.fromarray(RANDOM.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(buffer, "WEBP")
        file += buffer.getvalue() + b"between"
    (tmp_path / "animals.rcc").write_bytes(file)
    ((name, image),) = photographs._resources(tmp_path / "animals.rcc")
    assert (name, image.size) == ("animals-18", (600, 600))


def test_a_package_that_cannot_be_fetched_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "_APT", "false")
    with pytest.raises(ValueError, match=r"mirror/pool/main/b/budgie.* can't be downloaded"):
        photographs._unpack(photographs.PACKAGES[0], "mirror/", tmp_path)


@pytest.mark.parametrize("color", [False, True])
def test_training_on_a_folder(tmp_path: Path, color: bool) -> None:
    for number in range(3):
        sm.write_image(tmp_path / f"{number}.png", RANDOM.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    options = {"own": (5.0, 25.0), "channels": 4, "depth": 2, "steps": 2, "batch": 2, "crop": 24}
    training(tmp_path, tmp_path / "p.safetensors", color=color, blind=True, max_sigma=55.0, **options)
    prior = sm.load_prior(tmp_path / "p.safetensors")
    assert prior.config.colors == (3 if color else 1)
    assert prior.provenance.data == f"3 noisy images, {tmp_path.name}"
    assert prior.noise is not None
    assert prior.noise.highest == pytest.approx(55 / 255)
