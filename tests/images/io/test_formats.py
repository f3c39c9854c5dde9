"""NumPy, BMP, PGM, PPM and WebP: images survive a round trip, and what a format can't store is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_samples import COLORS, FLOATS, INTEGERS, PAGES, PROFILE, copy_with_metadata
from PIL import Image

from scorematching.images import Metadata, count_pages, read_image, read_metadata, read_pages, write_image, write_pages

IMAGES = {**INTEGERS, **FLOATS, "gray int32": INTEGERS["gray 8"].astype(np.int32) - 99}
KEPT = [
    *((".npy", name) for name in IMAGES),
    *((".bmp", name) for name in ("gray 8", "rgb 8")),
    *((".webp", name) for name in ("rgb 8", "rgba 8")),
    *((".pgm", name) for name in ("gray 8", "gray 16")),
    (".ppm", "rgb 8"),
]


@pytest.mark.parametrize(("suffix", "name"), KEPT)
def test_images_survive_a_round_trip(suffix: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, IMAGES[name])
    copy_with_metadata(path, tmp_path / f"b{suffix}")
    found = read_image(tmp_path / f"b{suffix}")
    assert found.dtype == IMAGES[name].dtype
    np.testing.assert_array_equal(found, IMAGES[name])


@pytest.mark.parametrize(
    ("suffix", "name", "message"),
    [
        (".bmp", "rgba 8", "an alpha channel"),
        (".bmp", "gray 16", "uint16 pixels"),
        (".webp", "gray 8", "grayscale images"),
        (".pgm", "rgb 8", "color images"),
        (".ppm", "gray 8", "grayscale images"),
        (".ppm", "rgb 16", "uint16 pixels"),
    ],
)
def test_what_a_format_cannot_store_is_refused(suffix: str, name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{suffix} files can't store {message}: write a"):
        write_image(tmp_path / f"a{suffix}", INTEGERS[name])


@pytest.mark.parametrize("count", [1, 3])
def test_stacks_of_numpy_keep_their_shape(count: int, tmp_path: Path) -> None:
    stack = np.stack(PAGES[:count]).astype(">i2")
    np.save(tmp_path / "a.npy", stack)
    assert count_pages(tmp_path / "a.npy") == count
    assert all(page.dtype.isnative for page in read_pages(tmp_path / "a.npy"))
    copy_with_metadata(tmp_path / "a.npy", tmp_path / "b.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), stack)


def test_arrays_that_are_not_images_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4, 5)))
    np.save(tmp_path / "b.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"its shape is \(2, 3, 4, 5\), expected"):
        read_image(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=r"b\.npy can't be read as an image"):
        read_image(tmp_path / "b.npy")
    with pytest.raises(ValueError, match="same shape and type"):
        write_pages(tmp_path / "c.npy", [PAGES[0], PAGES[0][1:]])


def test_a_numpy_file_does_not_change_images_that_were_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.stack(PAGES))
    pages = list(read_pages(tmp_path / "a.npy"))
    np.save(tmp_path / "a.npy", 0 * np.stack(PAGES))
    np.testing.assert_array_equal(pages, PAGES)


def test_animations_and_deep_colors_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(COLORS), Image.fromarray(255 - COLORS)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
    (tmp_path / "a.ppm").write_bytes(b"P6 # deep\n2 1\n65535\n" + bytes(12))
    with pytest.raises(ValueError, match="it is an animation of 2 frames"):
        read_image(tmp_path / "a.webp")
    with pytest.raises(ValueError, match="it has 16 bits per color"):
        read_image(tmp_path / "a.ppm")


def test_a_color_table_becomes_colors(tmp_path: Path) -> None:
    table = Image.fromarray(COLORS).quantize(16)
    table.save(tmp_path / "a.bmp")
    np.testing.assert_array_equal(read_image(tmp_path / "a.bmp"), np.asarray(table.convert("RGB")))


def test_webp_keeps_its_color_profile(tmp_path: Path) -> None:
    write_image(tmp_path / "a.webp", COLORS, Metadata(icc=PROFILE))
    assert read_metadata(tmp_path / "a.webp").icc == PROFILE
