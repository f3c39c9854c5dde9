"""Files that can't be trained on: the error names the file, whenever it is found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import FIELD, short

import scorematching as sm
from scorematching.training.data import open_images
from scorematching.training.sources import Store, image_file

OPTIONS: dict[str, Any] = {"noise": 25, "model": FIELD}


@pytest.fixture
def folder(noisy: np.ndarray, tmp_path: Path) -> Path:
    for number in range(4):
        sm.write_image(tmp_path / f"{number}.png", noisy[number:])
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_file_is_named_when_it_is_decoded(folder: Path, workers: int) -> None:
    content = bytearray((folder / "2.png").read_bytes())
    content[200:260] = bytes(60)
    (folder / "2.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"2\.png can't be read as an image"):
        sm.fit(folder, training=short(20, workers=workers), **OPTIONS)


def test_a_truncated_file_is_named_before_the_training(folder: Path) -> None:
    os.truncate(folder / "3.png", 300)
    with pytest.raises(ValueError, match=r"3\.png can't be read as an image"):
        open_images(folder)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("vanishes", [False, True])
def test_a_file_that_changes_during_the_training_is_named(folder: Path, workers: int, vanishes: bool) -> None:
    def change(state: sm.runtime.Progress) -> None:
        for path in folder.iterdir():
            path.unlink() if vanishes else path.write_bytes(b"")

    message = "no such file: .*png" if vanishes else r"png has changed since the training started: put it back"
    with pytest.raises((ValueError, OSError), match=message):
        sm.fit(folder, training=short(40, memory=0, workers=workers), progress=change, **OPTIONS)


@pytest.mark.parametrize("data_range", [None, 255])
def test_a_value_that_is_missing_is_named(noisy: np.ndarray, data_range: float | None, tmp_path: Path) -> None:
    """At once if the values tell white, and otherwise when the image is decoded."""
    pages = np.stack([noisy, noisy]).astype(np.float32)
    pages[1, 5, 5] = np.nan
    np.save(tmp_path / "a.npy", pages)
    with pytest.raises(ValueError, match=r"a\.npy page 2: image has 1 values that are NaN or infinite"):
        open_images(tmp_path, data_range=data_range)[1][0].image()


def test_reading_many_values_for_white_is_told(noisy: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", noisy.astype(np.float32))
    with pytest.warns(UserWarning, match=r"GiB of images are read to find the value of white: pass it"):
        (plane,) = open_images(tmp_path, store=Store(0))[0]
    assert plane.data_range == noisy.max()


def test_a_file_whose_pixels_are_not_those_of_its_header_is_named(folder: Path) -> None:
    file = image_file(folder / "0.png", Store(0))
    wrong = file.header._replace(shape=(7, 7))
    with pytest.raises(ValueError, match=r"0\.png: page 1 is \(96, 120\) uint8, the file says \(7, 7\)"):
        type(file)(file.path, wrong, 0, file.stamp, file.store).read(0)


def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png is a pipe, expected an image"):
        open_images(tmp_path / "a.png")
