"""PNG: metadata that are kept, and metadata that are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_samples import COLORS, DEEP, PROFILE, copy_with_metadata
from PIL import Image, PngImagePlugin

from scorematching.images import read_image, read_metadata


def test_metadata_of_a_16_bit_png_are_kept(png: Path) -> None:
    np.testing.assert_array_equal(read_image(png), DEEP)
    with Image.open(png) as image:
        image.load()
        info, texts = image.info, image.text
    assert info["dpi"] == pytest.approx((300, 150), abs=0.02)
    assert (info["icc_profile"], info["gamma"]) == (PROFILE, 0.45455)
    assert texts == {"Title": "a title", "Comment": "größer"}
    with Image.open(png) as image:
        image.verify()  # every checksum
    assert b"tIME" in png.read_bytes()


def test_a_copied_png_is_the_same_file(png: Path) -> None:
    copy_with_metadata(png, png.with_name("b.png"))
    assert png.with_name("b.png").read_bytes() == png.read_bytes()


def test_a_pixel_aspect_ratio_is_not_a_resolution(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    ratio = (3).to_bytes(4, "big") + (2).to_bytes(4, "big") + b"\0"
    Image.fromarray(COLORS).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    info.add(b"pHYs", ratio)
    (tmp_path / "a.png").write_bytes(data[:33] + PngImagePlugin.o32(9) + b"pHYs" + ratio + _checksum(ratio) + data[33:])
    copy_with_metadata(tmp_path / "a.png", tmp_path / "b.png", factor=2)
    with Image.open(tmp_path / "b.png") as image:
        assert image.info["aspect"] == (3, 2)


def _checksum(content: bytes) -> bytes:
    return PngImagePlugin.o32(PngImagePlugin._crc32(content, PngImagePlugin._crc32(b"pHYs")))


def test_damaged_exif_is_dropped(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "a.png", exif=b"Exif\0\0rubbish", dpi=(300, 300))
    with pytest.warns(UserWarning, match=r"a\.png: its EXIF block is damaged and is dropped"):
        found = read_metadata(tmp_path / "a.png")
    assert found.exif is None
    assert found.dpi == pytest.approx((300, 300), abs=0.02)


def test_a_file_with_damaged_metadata_is_named(png: Path) -> None:
    data = png.read_bytes()
    png.write_bytes(data[: data.index(b"IDAT") + 40])
    with pytest.raises(ValueError, match=r"a\.png can't be read as an image"):
        read_metadata(png)


def test_a_png_without_pixels_is_refused(png: Path) -> None:
    data = png.read_bytes()
    png.write_bytes(data[: data.index(b"IDAT") - 4] + data[data.index(b"IEND") - 4 :])
    with pytest.raises(ValueError, match=r"a\.png .*it has no pixels"):
        read_image(png)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_colors_that_are_not_in_the_palette_are_an_error(bits: int, tmp_path: Path) -> None:
    """Decoders make them black."""
    image = Image.fromarray((np.arange(6).reshape(2, 3) % 2**bits).astype(np.uint8))
    image.putpalette(range(3 * min(2**bits, 6)))
    image.save(tmp_path / "a.png", bits=bits)
    assert read_image(tmp_path / "a.png").shape == (2, 3, 3)
    data = (tmp_path / "a.png").read_bytes()
    start = data.index(b"PLTE") - 4
    short = PngImagePlugin.o32(3) + b"PLTE\1\2\3" + PngImagePlugin.o32(PngImagePlugin._crc32(b"PLTE\1\2\3"))
    (tmp_path / "a.png").write_bytes(data[:start] + short + data[data.index(b"IDAT") - 4 :])
    with pytest.raises(ValueError, match=r"a\.png .*it is damaged: a pixel has color \d, but the palette has only 1"):
        read_image(tmp_path / "a.png")
