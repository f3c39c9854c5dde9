"""What files say besides their pixels: kept where the kind stays, and where another kind has a place for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

import scorematching as sm
from scorematching.images import read_metadata, read_pages, write_pages

RANDOM = np.random.default_rng(0)
STACK = RANDOM.integers(0, 65536, (3, 2, 7, 9), dtype=np.uint16)
DEEP = RANDOM.integers(0, 65536, (7, 9, 3), dtype=np.uint16)
COLOURS = RANDOM.integers(0, 256, (16, 24, 3), dtype=np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def copied(source: Path, target: Path, factor: int = 1) -> None:
    pages = [page.repeat(factor, 0).repeat(factor, 1) for page in read_pages(source)]
    write_pages(target, pages, read_metadata(source).enlarged(factor))


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_imagej_sees_its_hyperstack(byteorder: str, tmp_path: Path) -> None:
    said = {"axes": "TZYX", "unit": "um", "spacing": 3.0, "finterval": 0.5, "Labels": list("abcdef")}
    path, copy = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(path, STACK, imagej=True, byteorder=byteorder, resolution=(2.5, 4.0), metadata=said)
    copied(path, copy)
    with tifffile.TiffFile(path) as one, tifffile.TiffFile(copy) as other:
        assert other.imagej_metadata == one.imagej_metadata
        assert other.imagej_metadata["Labels"] == list("abcdef")
        assert other.series[0].axes == "TZYX"
        assert other.pages.first.resolution == (2.5, 4.0)
        assert other.byteorder == byteorder
        # ImageJ reads a stack from its first page on, in one piece
        assert [page.dataoffsets[0] for page in other.pages] == [
            other.pages.first.dataoffsets[0] + number * STACK[0, 0].nbytes for number in range(6)
        ]
        np.testing.assert_array_equal(other.asarray(), STACK)
    copied(path, copy, factor=2)
    with tifffile.TiffFile(copy) as large:
        assert large.pages.first.resolution == (5, 8)
        assert large.series[0].shape == (3, 2, 14, 18)


def test_ome_sees_its_axes_and_sizes(tmp_path: Path) -> None:
    said = {"axes": "TCYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "Channel": {"Name": ["a", "b"]}}
    path, copy = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    tifffile.imwrite(path, STACK, metadata=said)
    copied(path, copy)
    with tifffile.TiffFile(path) as one, tifffile.TiffFile(copy) as other:
        assert other.ome_metadata == one.ome_metadata
        assert other.series[0].axes == "TCYX"
        np.testing.assert_array_equal(other.asarray(), STACK)
    copied(path, copy, factor=2)
    with tifffile.TiffFile(copy) as large:
        assert large.series[0].shape == (3, 2, 14, 18)
        assert all(words in large.ome_metadata for words in ('SizeX="18"', 'SizeY="14"', 'PhysicalSizeX="0.125"'))


def test_tags_of_a_tiff(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.tif", tmp_path / "b.tif"
    said = {"resolution": (300, 150), "software": "theirs", "datetime": "2020:01:02 03:04:05", "iccprofile": PROFILE}
    artist = (315, 2, 0, "somebody", True)
    tifffile.imwrite(path, STACK, metadata={"axes": "TZYX", "mine": 1}, extratags=[artist], **said)
    for factor in (1, 2):
        copied(path, copy, factor)
        with tifffile.TiffFile(copy) as other:
            first = other.pages.first
            assert (first.resolution, first.resolutionunit) == ((300 * factor, 150 * factor), 2)
            assert [first.tags[code].value for code in (305, 306, 315)] == ["theirs", said["datetime"], "somebody"]
            assert first.iccprofile == PROFILE
            assert other.shaped_metadata == ({"shape": [3, 2, 7 * factor, 9 * factor], "axes": "TZYX", "mine": 1},)


def test_pages_keep_their_own_descriptions(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for name in ("first", "second"):
            file.write(STACK[0, 0], description=name, metadata=None)
    copied(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert [page.description for page in file.pages] == ["first", "second"]


def test_premultiplied_colors_are_still_called_so(tmp_path: Path) -> None:
    colors = RANDOM.integers(0, 256, (7, 9, 4), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="rgb", extrasamples=["assocalpha"])
    copied(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages.first.extrasamples == (tifffile.EXTRASAMPLE.ASSOCALPHA,)


@pytest.fixture
def png(tmp_path: Path) -> Path:
    """A PNG of 16-bit colors with resolution, profile, gamma, date and texts."""
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    info.add(b"tIME", bytes([7, 228, 1, 2, 3, 4, 5]))
    info.add_text("Title", "a title")
    info.add_itxt("Comment", "größer")
    Image.fromarray(COLOURS).save(tmp_path / "small.png", pnginfo=info, dpi=(300, 150), icc_profile=PROFILE)
    sm.write_image(tmp_path / "a.png", DEEP, read_metadata(tmp_path / "small.png"))
    return tmp_path / "a.png"


def test_png_of_deep_colors(png: Path) -> None:
    np.testing.assert_array_equal(sm.read_image(png), DEEP)
    with Image.open(png) as image:
        image.load()
        info, texts = image.info, image.text
    assert info["dpi"] == pytest.approx((300, 150), abs=0.02)
    assert (info["icc_profile"], info["gamma"]) == (PROFILE, 0.45455)
    assert texts == {"Title": "a title", "Comment": "größer"}
    with Image.open(png) as image:
        image.verify()  # every checksum
    assert b"tIME" in png.read_bytes()


def test_png_copies_are_the_same_file(png: Path) -> None:
    copied(png, png.with_name("b.png"))
    assert png.with_name("b.png").read_bytes() == png.read_bytes()


def test_the_shape_of_a_pixel_is_no_resolution(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    ratio = (3).to_bytes(4, "big") + (2).to_bytes(4, "big") + b"\0"
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    info.add(b"pHYs", ratio)
    (tmp_path / "a.png").write_bytes(data[:33] + PngImagePlugin.o32(9) + b"pHYs" + ratio + _checksum(ratio) + data[33:])
    copied(tmp_path / "a.png", tmp_path / "b.png", factor=2)
    with Image.open(tmp_path / "b.png") as image:
        assert image.info["aspect"] == (3, 2)


def _checksum(content: bytes) -> bytes:
    return PngImagePlugin.o32(PngImagePlugin._crc32(content, PngImagePlugin._crc32(b"pHYs")))


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    """A JPEG that lies on its side."""
    exif = Image.Exif()
    exif.update({ExifTags.Base.Orientation: 6, ExifTags.Base.Make: "Maker"})
    exif.update({ExifTags.Base.XResolution: 300.0, ExifTags.Base.YResolution: 300.0, ExifTags.Base.ResolutionUnit: 2})
    exif.get_ifd(ExifTags.IFD.Exif).update({ExifTags.Base.ExifImageWidth: 24, ExifTags.Base.ExifImageHeight: 16})
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    Image.fromarray(COLOURS).save(
        tmp_path / "a.jpg", exif=exif, dpi=(300, 300), icc_profile=PROFILE, comment=b"a comment"
    )
    return tmp_path / "a.jpg"


def test_a_jpeg_is_turned_upright_once(jpeg: Path, tmp_path: Path) -> None:
    assert sm.read_image(jpeg).shape == (24, 16, 3)
    copied(jpeg, tmp_path / "b.jpg", factor=2)
    assert sm.read_image(tmp_path / "b.jpg").shape == (48, 32, 3)
    with Image.open(tmp_path / "b.jpg") as image:
        exif, info = image.getexif(), image.info
        details, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert (exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make]) == (1, "Maker")
    assert details == {ExifTags.Base.ExifImageWidth: 32, ExifTags.Base.ExifImageHeight: 48}
    assert place == {ExifTags.GPS.GPSLatitudeRef: "N"}
    assert info["dpi"] == (exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution]) == (600, 600)
    assert (info["icc_profile"], info["comment"]) == (PROFILE, b"a comment")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff"])
def test_resolution_and_profile_go_to_files_of_any_kind(
    kind: str, suffix: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "tiff":
        path = tmp_path / "a.tiff"
        tifffile.imwrite(path, COLOURS, resolution=(118.11, 118.11), resolutionunit="CENTIMETER", iccprofile=PROFILE)
    else:
        path = request.getfixturevalue(kind)
    sm.write_image(tmp_path / f"other{suffix}", COLOURS, read_metadata(path))
    found = read_metadata(tmp_path / f"other{suffix}")
    assert found.dpi == pytest.approx((300, 150 if kind == "png" else 300), abs=0.02)
    assert found.icc == PROFILE
    np.testing.assert_allclose(sm.read_image(tmp_path / f"other{suffix}").mean(), COLOURS.mean(), atol=2)


def test_damaged_exif_is_left_out(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=b"Exif\0\0rubbish", dpi=(300, 300))
    with pytest.warns(UserWarning, match=r"a\.png: its EXIF block is damaged, and left out"):
        found = read_metadata(tmp_path / "a.png")
    assert found.exif is None
    assert found.dpi == pytest.approx((300, 300), abs=0.02)


def test_damaged_metadata_is_named(png: Path) -> None:
    data = png.read_bytes()
    png.write_bytes(data[: data.index(b"IDAT") + 40])
    with pytest.raises(ValueError, match=r"a\.png can't be read as an image"):
        read_metadata(png)
