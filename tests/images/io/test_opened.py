"""Open files: headers agree with the decoded images, pages are read in any order, and what is cut off is named."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_samples import COLORS, DEEP, FLOATS, INTEGERS, PAGES
from PIL import Image

from benchmarks.raw import linear, sensor, write_dng
from scorematching.images import read_pages, write_image, write_pages
from scorematching.images.io.opened import OpenFile

GRAY = INTEGERS["gray 8"]
WRITTEN = [
    *((suffix, image) for suffix in (".png", ".tif", ".npy") for image in INTEGERS.values()),
    *((suffix, image) for suffix in (".tif", ".npy") for image in FLOATS.values()),
    *((suffix, GRAY) for suffix in (".jpg", ".bmp", ".pgm", ".fits")),
    *((suffix, COLORS) for suffix in (".jpg", ".bmp", ".ppm", ".webp")),
    (".pgm", INTEGERS["gray 16"]),
    *((suffix, INTEGERS["gray 16"]) for suffix in (".fits", ".mrc")),
    (".mrc", FLOATS["gray float32"]),
]


def turned(orientation: int) -> bytes:
    """EXIF with an orientation."""
    exif = Image.Exif()
    exif[274] = orientation
    return exif.tobytes()


OTHERS: dict[str, Callable[[Path], object]] = {
    "palette.png": lambda path: Image.fromarray(COLORS).quantize(8).save(path),
    "palette.bmp": lambda path: Image.fromarray(COLORS).quantize(8).save(path),
    "transparent.png": lambda path: Image.fromarray(GRAY).save(path, transparency=7),
    "transparent_palette.png": lambda path: Image.fromarray(COLORS).quantize(8).save(path, transparency=1),
    "transparent_color.png": lambda path: Image.fromarray(COLORS).save(path, transparency=(1, 2, 3)),
    "one_bit.png": lambda path: Image.fromarray(GRAY > 99).save(path),
    "turned.jpg": lambda path: Image.fromarray(COLORS).save(path, exif=turned(6)),
    "movie.gif": lambda path: Image.fromarray(GRAY).save(path, save_all=True, append_images=[Image.fromarray(~GRAY)]),
    "columns.npy": lambda path: np.save(path, np.asfortranarray(PAGES)),
    "big_endian.npy": lambda path: np.save(path, np.stack(PAGES).astype(">i2")),
    "planes.tif": lambda path: tifffile.imwrite(path, COLORS.transpose(2, 0, 1), photometric="rgb", planarconfig=2),
    "channels.tif": lambda path: tifffile.imwrite(path, np.stack([GRAY] * 5), planarconfig=2),
    "white_at_0.tif": lambda path: tifffile.imwrite(path, DEEP[..., 0], photometric="miniswhite"),
    "palette.tif": lambda path: tifffile.imwrite(
        path, GRAY, photometric="palette", colormap=np.arange(768, dtype=np.uint16).reshape(3, 256)
    ),
    "imagej.tif": lambda path: tifffile.imwrite(path, np.stack(PAGES), imagej=True),
    "sensor.dng": lambda path: write_dng(path, sensor(linear(np.tile(COLORS, (3, 3, 1)).astype(float)))),
    "turned.dng": lambda path: write_dng(path, sensor(linear(np.tile(COLORS, (3, 3, 1)).astype(float))), orientation=6),
}


def check(path: Path) -> None:
    """Compare an open file with the images that are decoded at once."""
    expected, opened = list(read_pages(path)), OpenFile(path)
    assert opened.header == (expected[0].shape, expected[0].dtype, len(expected))
    for page in reversed(range(len(expected))):
        found = opened.read(page)
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, expected[page])


@pytest.mark.parametrize(("suffix", "image"), WRITTEN, ids=[f"{s} {i.dtype} {i.shape}" for s, i in WRITTEN])
def test_the_header_is_that_of_the_decoded_image(suffix: str, image: np.ndarray, tmp_path: Path) -> None:
    write_image(tmp_path / f"a{suffix}", image)
    check(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("name", OTHERS)
def test_the_header_of_unusual_files_is_right(name: str, tmp_path: Path) -> None:
    if name.endswith(".dng"):
        pytest.importorskip("rawpy")
    OTHERS[name](tmp_path / name)
    check(tmp_path / name)


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".fits", ".mrc"])
def test_pages_are_read_in_any_order_by_several_threads(suffix: str, tmp_path: Path) -> None:
    pages = [np.full((6, 7), value, np.uint16) for value in range(40)]
    write_pages(tmp_path / f"a{suffix}", pages)
    check(tmp_path / f"a{suffix}")
    opened = OpenFile(tmp_path / f"a{suffix}")
    with ThreadPoolExecutor(4) as threads:
        assert [int(page[0, 0]) for page in threads.map(opened.read, reversed(range(40)))] == [*reversed(range(40))]


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("mode", "image"), [("L", GRAY), ("RGB", COLORS), ("RGBA", COLORS), ("RGB;16", DEEP)])
def test_the_header_of_a_heic_is_right(mode: str, image: np.ndarray, orientation: int, tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    image = np.tile(image, (4, 4) if mode == "L" else (4, 4, 1))
    if mode == "RGBA":
        image = np.dstack([image, image[..., :1]])
    file = heif.from_bytes(mode, image.shape[1::-1], image.tobytes())
    file.info["exif"] = turned(orientation)
    file.save(tmp_path / "a.heic")
    check(tmp_path / "a.heic")


def test_a_file_is_closed_when_it_is_no_longer_used(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.tif", PAGES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = OpenFile(tmp_path / "a.tif")
        handle = opened._read.__self__.pages[0].parent.filehandle  # type: ignore[union-attr]
        del opened
        gc.collect()
    assert handle.closed


@pytest.mark.parametrize(("suffix", "pages"), [(".png", 1), (".tif", 1), (".tif", 3), (".npy", 1), (".mrc", 3)])
def test_a_truncated_file_is_found_without_decoding(suffix: str, pages: int, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write_pages(path, [page.astype(np.uint16) for page in PAGES[:pages]])
    os.truncate(path, path.stat().st_size - 20)
    with pytest.raises(ValueError, match=rf"a\{suffix} can't be read as an image"):
        OpenFile(path)


def test_a_file_without_images_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((0, 4, 6)))
    with pytest.raises(ValueError, match=r"a\.npy can't be read as an image: it has no image"):
        OpenFile(tmp_path / "a.npy")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    kinds = {"a.png": "is a pipe, expected an image", "b.png": "no such file", "c.txt": "expected a file"}
    for name, message in kinds.items():
        with pytest.raises((OSError, ValueError), match=message):
            OpenFile(tmp_path / name)


def test_a_page_that_was_cut_off_later_is_an_error(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.npy", PAGES)
    opened = OpenFile(tmp_path / "a.npy")
    os.truncate(tmp_path / "a.npy", 900)
    np.testing.assert_array_equal(opened.read(0), PAGES[0])
    with pytest.raises(ValueError, match=r"a\.npy can't be read"):
        opened.read(2)
