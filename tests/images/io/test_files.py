"""Image files of every format: pixels that come back exactly, and files that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_samples import FLOATS, INTEGERS
from PIL import Image

from scorematching.images import read_image, write_image

IMAGES = INTEGERS | FLOATS | {"gray alpha 8": INTEGERS["rgba 8"][..., :2]}
COLORS = INTEGERS["rgb 8"]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("name", INTEGERS)
def test_integers_come_back_bit_for_bit(name: str, suffix: str, tmp_path: Path) -> None:
    write_image(tmp_path / f"a{suffix}", IMAGES[name])
    back = read_image(tmp_path / f"a{suffix}")
    assert back.dtype == IMAGES[name].dtype
    np.testing.assert_array_equal(back, IMAGES[name])
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize("name", FLOATS)
def test_floats_come_back_from_tiff(name: str, tmp_path: Path) -> None:
    write_image(tmp_path / "a.tiff", IMAGES[name])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tiff"), IMAGES[name])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("name", ["gray 8", "rgb 8", "rgba 8", "gray alpha 8", "gray 16"])
def test_pillow_reads_the_same_pixels(name: str, suffix: str, tmp_path: Path) -> None:
    write_image(tmp_path / f"a{suffix}", IMAGES[name])
    with Image.open(tmp_path / f"a{suffix}") as read:
        np.testing.assert_array_equal(np.asarray(read), IMAGES[name])
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), IMAGES[name])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("two colors.tif", "its pixels have one bit"),
        ("cmyk.tif", "its colors are separated"),
        ("cmyk.jpg", "its colors are CMYK"),
        ("stack.tif", "it has 3 pages"),
        ("cut.jpg", "truncated"),
    ],
)
def test_unsupported_files_are_refused(name: str, message: str, tmp_path: Path) -> None:
    colors, path = Image.fromarray(COLORS), tmp_path / name
    if name == "cut.jpg":
        colors.resize((200, 200)).save(path, quality=95)
        path.write_bytes(path.read_bytes()[:2000])
    elif name == "stack.tif":
        colors.save(path, save_all=True, append_images=[colors, colors])
    else:
        colors.convert("1" if name == "two colors.tif" else "CMYK").save(path)
    with pytest.raises(ValueError, match=message):
        read_image(path)


def test_files_that_are_not_images_are_named(tmp_path: Path) -> None:
    contents = {"a.png": b"not an image", "a.tif": b"not an image", "a.jpg": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} can't be read as an image"):
            read_image(tmp_path / name)
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match=r"expected a file that ends in \.png"):
        read_image(tmp_path / "a.txt")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        read_image(tmp_path / "folder.png")
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_image(tmp_path / "b.png")


@pytest.mark.parametrize(
    ("path", "name", "kind", "message"),
    [
        ("a.png", "rgb float64", ValueError, r"a.png: .png files can't store float64 pixels: write a .tif instead"),
        ("a.jpg", "gray 16", ValueError, r"\.jpg files can't store uint16"),
        ("a.jpg", "rgba 8", ValueError, "can't store an alpha channel: write a .png"),
        ("none/a.png", "gray 8", FileNotFoundError, "no such folder"),
    ],
)
def test_a_failed_write_leaves_no_file(
    path: str, name: str, kind: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        write_image(tmp_path / path, IMAGES[name])
    assert not list(tmp_path.iterdir())
