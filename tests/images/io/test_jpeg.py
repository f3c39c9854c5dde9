"""JPEG: pixels, EXIF orientation, and metadata of the upright image."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_samples import INTEGERS, PROFILE, copy_with_metadata
from PIL import ExifTags, Image

from scorematching.images import read_image, read_metadata, write_image


def test_a_jpeg_is_close_to_the_image(tmp_path: Path) -> None:
    smooth = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (16, 1))
    write_image(tmp_path / "a.jpg", smooth)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth).max() < 8


def test_a_jpeg_keeps_thin_lines_of_color(tmp_path: Path) -> None:
    """At half the resolution, as is usual in JPEG files, the error would be five times as large."""
    lines = np.zeros((64, 64, 3), np.uint8)
    lines[..., 2] = 200
    lines[::6] = (230, 0, 20)
    write_image(tmp_path / "a.jpg", lines)
    assert np.sqrt(np.mean((read_image(tmp_path / "a.jpg") - lines.astype(float)) ** 2)) < 6


def test_the_number_of_pixels_of_a_jpeg_is_not_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "a.jpg", INTEGERS["rgb 8"])
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 8)
    assert read_image(tmp_path / "a.jpg").shape == (7, 9, 3)
    assert read_metadata(tmp_path / "a.jpg").exif is None


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_scans_without_number_are_refused(name: str, tmp_path: Path) -> None:
    """Each takes the time of the whole image, but may take a few bytes only."""
    file, path = io.BytesIO(), tmp_path / name
    Image.new("L", (64, 64), 77).save(file, "jpeg", progressive=True)
    content = file.getvalue()
    content = content[:-2] + 100 * content[content.rindex(b"\xff\xda") : -2] + b"\xff\xd9"
    if path.suffix == ".tif":
        tifffile.imwrite(path, iter([content]), shape=(64, 64), dtype=np.uint8, compression="jpeg")
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} .*it has 106 scans, expected at most 100"):
        read_image(path)


def test_a_progressive_jpeg_that_lacks_scans_is_noted(tmp_path: Path) -> None:
    """It is blurred. Without a color, it is refused."""
    file, path = io.BytesIO(), tmp_path / "a.jpg"
    Image.fromarray(INTEGERS["rgb 8"]).save(file, "jpeg", progressive=True)
    content = file.getvalue()
    places = [place.start() for place in re.finditer(b"\xff\xc4", content)]  # a table is before each scan
    for start, end in ((places[-1], -2), (places[-3], places[-2])):
        path.write_bytes(content[:start] + content[end:])
        with pytest.warns(UserWarning, match=r"a\.jpg: scans with its details are missing"):
            read_image(path)
    path.write_bytes(content[: places[0]] + b"\xff\xd9")
    with pytest.raises(ValueError, match=r"a\.jpg can't be read"):
        read_image(path)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_a_row_between_restart_markers_that_is_missing_is_an_error(subsampling: str, tmp_path: Path) -> None:
    """Decoders fill the last rows with gray."""
    file, path = io.BytesIO(), tmp_path / "a.jpg"
    image = np.zeros((61, 50, 3), np.uint8)
    Image.fromarray(image).save(file, "jpeg", restart_marker_rows=1, subsampling=subsampling)
    content = file.getvalue()
    path.write_bytes(content)
    assert read_image(path).shape == image.shape
    places = [content.rindex(b"\xff" + bytes([0xD0 + number])) for number in (0, 1)]
    path.write_bytes(content[: places[0]] + content[places[1] :])
    with pytest.raises(ValueError, match=r"a\.jpg .*pixels are missing between its \d restart markers"):
        read_image(path)


def test_a_jpeg_is_turned_upright_once(jpeg: Path, tmp_path: Path) -> None:
    assert read_image(jpeg).shape == (24, 16, 3)
    copy_with_metadata(jpeg, tmp_path / "b.jpg", factor=2)
    assert read_image(tmp_path / "b.jpg").shape == (48, 32, 3)
    with Image.open(tmp_path / "b.jpg") as image:
        exif, info = image.getexif(), image.info
        details, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert (exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make]) == (1, "Maker")
    assert details == {ExifTags.Base.ExifImageWidth: 32, ExifTags.Base.ExifImageHeight: 48}
    assert place == {ExifTags.GPS.GPSLatitudeRef: "N"}
    assert info["dpi"] == (exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution]) == (600, 600)
    assert (info["icc_profile"], info["comment"]) == (PROFILE, b"a comment")
