"""Zarr arrays whose metadata lie, whose chunks are damaged, or which have something else than files in them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_samples import PAGES

from scorematching.images.io.ome_zarr import open_array

zarr, numcodecs = pytest.importorskip("zarr"), pytest.importorskip("numcodecs")


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


@pytest.mark.parametrize("content", [b"x", bytes(30)])
def test_a_damaged_chunk_is_an_error(content: bytes, folder: Path) -> None:
    stored = open_array(folder)
    np.testing.assert_array_equal(stored.read((), slice(24), slice(28)), PAGES[0])
    chunk(folder).write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zarr: pixels can't be read: "):
        stored.read((), slice(24), slice(28))


def unsized_frame(zeros: bytes) -> bytes:
    """Return a frame of Zstandard that does not tell its size, of blocks of 128 KiB of zeros."""
    last = len(zeros) // 2**17 - 1
    blocks = [(2**17 << 3 | 2 | (k == last)).to_bytes(3, "little") + b"\0" for k in range(last + 1)]
    return bytes.fromhex("28b52ffd0038") + b"".join(blocks)


BOMBS = {
    "blosc": lambda zeros: numcodecs.Blosc().encode(zeros),
    "lz4": lambda zeros: numcodecs.LZ4().encode(zeros),
    "zstd": unsized_frame,
    "gzip": lambda zeros: gzip.compress(bytes(100)) + gzip.compress(zeros),
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "lzma": lzma.compress,
}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_chunks_are_decompressed_up_to_their_size(name: str, version: int, tmp_path: Path) -> None:
    third = {"name": name if name in ("blosc", "zstd", "gzip") else f"numcodecs.{name}", "configuration": {}}
    codec = numcodecs.get_codec({"id": name}) if version == 2 else third
    options = {"chunks": PAGES[0].shape, "compressors": codec, "zarr_format": version}
    zarr.create_array(tmp_path / "a.zarr", data=PAGES[0], **options)
    stored = open_array(tmp_path / "a.zarr")
    np.testing.assert_array_equal(stored.read((), slice(24), slice(28)), PAGES[0])
    (tmp_path / "a.zarr" / ("0.0" if version == 2 else "c/0/0")).write_bytes(BOMBS[name](bytes(2**25)))
    tracemalloc.start()
    with pytest.raises(
        ValueError, match=r"a\.zarr: pixels can't be read: a chunk of [\d,]+ bytes decompresses to more"
    ):
        stored.read((), slice(24), slice(28))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24


def test_chunks_in_shards_are_decompressed_up_to_their_size(tmp_path: Path) -> None:
    options = {"chunks": (4096, 4096), "shards": (4096, 4096), "compressors": {"name": "gzip", "configuration": {}}}
    zarr.create_array(tmp_path / "a.zarr", data=np.ones((4096, 4096), np.uint8), **options)
    metadata = tmp_path / "a.zarr" / "zarr.json"
    metadata.write_text(metadata.read_text().replace("4096", "64"))
    stored = open_array(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match=r"a chunk of 1[\d,]+ bytes decompresses to more than 73,728, twice"):
        stored.read((), slice(64), slice(64))


def test_codecs_that_are_not_known_are_refused(tmp_path: Path) -> None:
    """Some of them run programs that the data have in them."""
    options = {"chunks": (24, 28), "filters": [numcodecs.PackBits()], "zarr_format": 2}
    zarr.create_array(tmp_path / "a.zarr", data=PAGES[0] > 9, **options)
    with pytest.raises(
        ValueError, match=r"a\.zarr: chunks are encoded by 'packbits', expected one of blosc, bz2, gzip"
    ):
        open_array(tmp_path / "a.zarr")


def test_truncated_chunks_of_blosc_are_refused(tmp_path: Path) -> None:
    """Blosc stores noise as it is, and would read beyond the end of the chunk."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    zarr.create_array(tmp_path / "a.zarr", data=noise, compressors=numcodecs.Blosc(), zarr_format=2, chunks=(64, 64))
    place = tmp_path / "a.zarr" / "0.0"
    place.write_bytes(place.read_bytes()[:20])
    with pytest.raises(ValueError, match="a chunk of 20 bytes has another size than its header says"):
        open_array(tmp_path / "a.zarr").read((), slice(64), slice(64))


def test_filters_make_numbers_only(tmp_path: Path) -> None:
    filters = [numcodecs.AsType("u1", "u1")]
    zarr.create_array(tmp_path / "a.zarr", data=PAGES[0], filters=filters, zarr_format=2)
    metadata = tmp_path / "a.zarr" / ".zarray"
    metadata.write_text(metadata.read_text().replace('"decode_dtype": "|u1"', '"decode_dtype": "|S3000000"'))
    with pytest.raises(ValueError, match=r"a\.zarr: chunks are filtered by 'astype' to \|S3000000"):
        open_array(tmp_path / "a.zarr")


def test_linked_folders_and_empty_files_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "README.md").touch()
    assert open_array(folder).shape == PAGES[0].shape
    chunk(folder).write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.zarr/c/0/0 is empty, expected pixels"):
        open_array(folder)
    chunk(folder).parent.rename(tmp_path / "elsewhere")
    (folder / "c" / "0").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is a link to a folder"):
        open_array(folder)


@pytest.mark.parametrize(
    "told",
    [
        *({}, [], 5, [5], [{}], [{"datasets": []}], [{"datasets": [{"path": "none"}]}], [{"datasets": [{"path": 0}]}]),
        [{"axes": [{}], "datasets": [{"path": "0"}]}],
    ],
)
def test_groups_that_describe_no_image_are_refused(told: object, tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "g.zarr", mode="w", attributes={"ome": {"multiscales": told}})
    group.create_array("0", data=PAGES[0])
    with pytest.raises(ValueError, match=r"g\.zarr"):
        open_array(tmp_path / "g.zarr")
