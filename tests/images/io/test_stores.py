"""Zarr arrays whose metadata lie, whose chunks are damaged, or which have something else than files in them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from image_samples import PAGES

from scorematching.images.io.ome_zarr import open_array

zarr = pytest.importorskip("zarr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An array of one chunk."""
    zarr.create_array(tmp_path / "a.zarr", data=PAGES[0], chunks=PAGES[0].shape)
    return tmp_path / "a.zarr"


def chunk(folder: Path) -> Path:
    return next(path for path in (folder / "c").rglob("*") if path.is_file())


def test_chunks_that_claim_gigabytes_are_refused(folder: Path) -> None:
    entries = json.loads((folder / "zarr.json").read_text())
    entries["shape"] = entries["chunk_grid"]["configuration"]["chunk_shape"] = [10**5, 10**5]
    (folder / "zarr.json").write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=r"a\.zarr: an image of 100000 x 100000 uint8 would take 10,000,000,000 bytes"):
        open_array(folder)


@pytest.mark.parametrize("shape", [(10**9, 24, 28), (10**9, 10**9)])
def test_images_and_tiles_without_number_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", shape=shape, chunks=(1,) * (len(shape) - 2) + (24, 28), dtype="u1")
    with pytest.raises(ValueError, match=r"a\.zarr: the list of [\d,]+ images or tiles of 1000000000 x"):
        open_array(tmp_path / "a.zarr")


def test_a_pipe_in_an_array_is_refused(folder: Path) -> None:
    place = chunk(folder)
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(ValueError, match="is a pipe, expected a file"):
        open_array(folder)


def test_a_chunk_that_is_a_broken_link_is_refused(folder: Path) -> None:
    """Zarr would read it as the fill value."""
    place = chunk(folder)
    place.unlink()
    place.symlink_to(folder / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no such file: .*a\.zarr"):
        open_array(folder)


@pytest.mark.parametrize("content", [b"", bytes(30)])
def test_a_damaged_chunk_is_an_error(content: bytes, folder: Path) -> None:
    stored = open_array(folder)
    np.testing.assert_array_equal(stored.read((), slice(24), slice(28)), PAGES[0])
    chunk(folder).write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zarr: pixels can't be read: "):
        stored.read((), slice(24), slice(28))
