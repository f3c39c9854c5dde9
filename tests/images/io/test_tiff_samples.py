"""TIFF: what the samples and pages of a file mean, and that they mean the same when they are written again."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from image_samples import COLORS, INTEGERS, RANDOM, copy_with_metadata
from PIL import ExifTags, Image, ImageOps

from scorematching.images import count_pages, read_image, read_metadata, read_pages, write_image

GRAY = INTEGERS["gray 8"]
CHANNELS = RANDOM.integers(0, 65536, (7, 9, 5), dtype=np.uint16)
TWELVE = RANDOM.integers(0, 4096, (7, 10), dtype=np.uint16)
NEAR_INFRARED = {"photometric": "rgb", "extrasamples": ["unspecified"]}


def copied(path: Path) -> tifffile.TiffFile:
    """Return a copy of a file that was read and written."""
    copy_with_metadata(path, path.with_name("copy.tif"))
    return tifffile.TiffFile(path.with_name("copy.tif"))


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("colors", ["minisblack", "miniswhite"])
def test_channels_that_are_neither_colors_nor_alpha_are_images(
    count: int, planar: str, colors: str, tmp_path: Path
) -> None:
    """In a microscope image, the second of two channels would otherwise be mistaken for alpha."""
    image = CHANNELS[..., :count]
    stored = np.moveaxis(image, 2, 0) if planar == "separate" else image
    options: dict[str, Any] = {"photometric": colors, "planarconfig": planar, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", stored, **options, extrasamples=[0] * (count - 1))
    expected = 65535 - image if colors == "miniswhite" else image
    np.testing.assert_array_equal(np.stack(list(read_pages(tmp_path / "a.tif")), 2), expected)
    with copied(tmp_path / "a.tif") as copy:
        assert len(copy.pages) == 1
        assert copy.pages.first.extrasamples == (0,) * (count - 1)
        np.testing.assert_array_equal(copy.asarray(), image)


def test_a_fourth_band_beside_colors_is_an_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", [INTEGERS["rgba 8"]] * 2, **NEAR_INFRARED)
    assert count_pages(tmp_path / "a.tif") == 8
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=7), INTEGERS["rgba 8"][..., 3])
    with copied(tmp_path / "a.tif") as copy:
        assert len(copy.pages) == 2
        assert copy.pages.first.extrasamples == (tifffile.EXTRASAMPLE.UNSPECIFIED,)
        assert copy.pages.first.photometric == tifffile.PHOTOMETRIC.RGB


@pytest.mark.parametrize(("image", "bits"), [(GRAY, 8), (TWELVE, 12), (TWELVE.astype(np.float32), 32)])
def test_white_at_zero_keeps_its_values_and_its_tag(image: np.ndarray, bits: int, tmp_path: Path) -> None:
    """It is read with black at zero. In floating point, the value of black is not known, and values stay."""
    options = {"bitspersample": bits} if bits == 12 else {}
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite", **options)
    read = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read, image if bits == 32 else 2**bits - 1 - image)
    with copied(tmp_path / "a.tif") as copy:
        assert copy.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        assert copy.pages.first.bitspersample == bits
        np.testing.assert_array_equal(copy.asarray(), image)


def test_white_at_zero_is_inverted_in_formats_without_it_but_not_alpha(tmp_path: Path) -> None:
    options: dict[str, Any] = {"photometric": "miniswhite", "planarconfig": "contig", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([GRAY, GRAY]), **options)
    copy_with_metadata(tmp_path / "a.tif", tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.dstack([255 - GRAY, GRAY]))


def test_in_other_formats_samples_are_as_they_are_shown(tmp_path: Path) -> None:
    """White at zero with 12 bits, 4 bits, colors that are multiplied by alpha, and an image that is turned."""
    tifffile.imwrite(tmp_path / "a.tif", TWELVE, photometric="miniswhite", bitspersample=12)
    write_image(tmp_path / "a.png", read_image(tmp_path / "a.tif") + np.uint16(9), read_metadata(tmp_path / "a.tif"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.minimum(4095 - TWELVE + 9, 4095))
    tifffile.imwrite(tmp_path / "b.tif", GRAY // 16, bitspersample=4)
    copy_with_metadata(tmp_path / "b.tif", tmp_path / "b.png")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), GRAY // 16 * 17)
    half = np.full((7, 9, 4), 64, np.uint8)
    half[..., 3] = 128
    tifffile.imwrite(tmp_path / "c.tif", half, photometric="rgb", extrasamples=["assocalpha"])
    copy_with_metadata(tmp_path / "c.tif", tmp_path / "c.png")
    np.testing.assert_array_equal(read_image(tmp_path / "c.png")[0, 0], [128, 128, 128, 128])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_images_are_upright_in_other_formats(orientation: int, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GRAY, extratags=[(274, 3, 1, orientation, True)])
    copy_with_metadata(tmp_path / "a.tif", tmp_path / "a.png")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(GRAY).save(tmp_path / "b.png", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "b.png"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.asarray(upright))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"bitspersample": 12}, {}),
        ({"photometric": "miniswhite"}, {}),
        ({"extratags": [(274, 3, 1, 6, True)]}, {}),
    ],
)
def test_pages_with_other_samples_are_refused(one: dict[str, Any], other: dict[str, Any], tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for options in (one, other):
            file.write(TWELVE, **{"photometric": "minisblack", "metadata": None} | options)
    with pytest.raises(ValueError, match="page 2 has other colors, bits or channels than page 1"):
        read_image(tmp_path / "a.tif", page=0)


def test_a_thumbnail_alone_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GRAY, subfiletype=1)
    with pytest.raises(ValueError, match="no pages at full size"):
        read_image(tmp_path / "a.tif")


def test_values_are_clipped_to_the_bits_of_the_file(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", TWELVE, bitspersample=12)
    write_image(tmp_path / "b.tif", TWELVE + np.uint16(100), read_metadata(tmp_path / "a.tif"))
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), np.minimum(TWELVE + 100, 4095))


def test_the_color_table_of_imagej_shows_values_and_others_are_colors(tmp_path: Path) -> None:
    table = 257 * RANDOM.integers(0, 256, (3, 256)).astype(np.uint16)
    options: dict[str, Any] = {"photometric": "palette", "colormap": table}
    tifffile.imwrite(tmp_path / "a.tif", GRAY, description="ImageJ=1.54f\n", metadata=None, **options)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), GRAY)
    with copied(tmp_path / "a.tif") as copy:
        np.testing.assert_array_equal(copy.pages.first.colormap, table)
        np.testing.assert_array_equal(copy.asarray(), GRAY)
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        for one in (table, table[:, ::-1]):
            file.write(GRAY, photometric="palette", colormap=one, metadata=None)
    second = read_image(tmp_path / "b.tif", page=1)
    np.testing.assert_array_equal(second, np.moveaxis(table[:, ::-1] // 257, 0, 1)[GRAY])
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif", page=0), np.moveaxis(table // 257, 0, 1)[GRAY])


def test_jpeg_colors_in_a_tiff_are_read(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", COLORS, photometric="rgb", compression="jpeg")
    assert read_image(tmp_path / "a.tif").shape == COLORS.shape


def test_smaller_copies_of_pages_are_left_out(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GRAY)
        file.write(GRAY[::2, ::2], subfiletype=1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), GRAY)


def test_a_mask_is_left_out_with_a_warning(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GRAY)
        file.write(GRAY > 9, subfiletype=4)
    assert count_pages(tmp_path / "a.tif") == 1
    with pytest.warns(UserWarning, match=r"a\.tif: its transparency mask is left out"):
        read_metadata(tmp_path / "a.tif")


def test_pages_that_form_a_circle_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GRAY, metadata=None)
    data = bytearray(path.read_bytes())
    (place,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, place)
    struct.pack_into("<I", data, place + 2 + 12 * entries, place)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.tif can't .* its pages form a circle: page 1 is followed by page 1"):
        read_image(path)


@pytest.mark.parametrize("code", [256, 257, 258, 273, 279])
def test_damaged_tags_are_one_error(code: int, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GRAY)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags[code].overwrite(0)
    with pytest.raises(ValueError, match=r"a\.tif can't be read as an image"):
        read_image(path)


def test_pixels_beyond_the_end_of_a_file_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GRAY, rowsperstrip=2, metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        offsets = file.pages.first.dataoffsets
        file.pages.first.tags[273].overwrite([*offsets[:-1], 10**6])
    with pytest.raises(ValueError, match="it is damaged: 3 of 4 parts of its pixels are in the file"):
        read_image(path)


def test_pages_do_not_change_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([GRAY] * 3), imagej=True)
    pages = list(read_pages(path))
    path.write_bytes(bytes(path.stat().st_size))
    np.testing.assert_array_equal(pages, [GRAY] * 3)


@pytest.mark.parametrize("names", [("raw.ome.tif",), ("raw.ome.tif", "other.ome.tif")])
def test_ome_xml_does_not_name_the_original_file(names: tuple[str, ...], tmp_path: Path) -> None:
    """Programs would read the pixels from there. A description of several files would be wrong for one."""
    planes = "".join(f'<TiffData IFD="0"><UUID FileName="{name}">urn:uuid:1</UUID></TiffData>' for name in names)
    xml = f'<?xml version="1.0"?><OME UUID="urn:uuid:1"><Image><Pixels>{planes}</Pixels></Image></OME>'
    tifffile.imwrite(tmp_path / "raw.ome.tif", GRAY, description=xml, metadata=None)
    if len(names) > 1:
        with pytest.warns(UserWarning, match="describes several files"):
            copy = copied(tmp_path / "raw.ome.tif")
        assert not copy.pages.first.description
    else:
        copy = copied(tmp_path / "raw.ome.tif")
        assert copy.pages.first.description == xml.replace(' UUID="urn:uuid:1"', "").replace(
            '<UUID FileName="raw.ome.tif">urn:uuid:1</UUID>', ""
        )
    copy.close()
