"""TIFF: tags that are kept, and channels that are alpha."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_samples import INTEGERS, PROFILE, RANDOM, copy_with_metadata

from scorematching.images import read_image

STACK = RANDOM.integers(0, 65536, (3, 2, 7, 9), dtype=np.uint16)
IMAGES = {"gray alpha 8": INTEGERS["rgba 8"][..., :2], "rgba 8": INTEGERS["rgba 8"]}


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_imagej_hyperstacks_keep_their_axes_and_labels(byteorder: str, tmp_path: Path) -> None:
    options = {"axes": "TZYX", "unit": "um", "spacing": 3.0, "finterval": 0.5, "Labels": list("abcdef")}
    path, copy = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(path, STACK, imagej=True, byteorder=byteorder, resolution=(2.5, 4.0), metadata=options)
    copy_with_metadata(path, copy)
    with tifffile.TiffFile(path) as one, tifffile.TiffFile(copy) as other:
        assert other.imagej_metadata == one.imagej_metadata
        assert other.imagej_metadata["Labels"] == list("abcdef")
        assert other.series[0].axes == "TZYX"
        assert other.pages.first.resolution == (2.5, 4.0)
        assert other.byteorder == byteorder
        # ImageJ reads a stack contiguously, from its first page
        assert [page.dataoffsets[0] for page in other.pages] == [
            other.pages.first.dataoffsets[0] + number * STACK[0, 0].nbytes for number in range(6)
        ]
        np.testing.assert_array_equal(other.asarray(), STACK)
    copy_with_metadata(path, copy, factor=2)
    with tifffile.TiffFile(copy) as large:
        assert large.pages.first.resolution == (5, 8)
        assert large.series[0].shape == (3, 2, 14, 18)


def test_ome_tiff_keeps_its_axes_and_pixel_sizes(tmp_path: Path) -> None:
    options = {"axes": "TCYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "Channel": {"Name": ["a", "b"]}}
    path, copy = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    tifffile.imwrite(path, STACK, metadata=options)
    copy_with_metadata(path, copy)
    with tifffile.TiffFile(path) as one, tifffile.TiffFile(copy) as other:
        assert other.ome_metadata == one.ome_metadata
        assert other.series[0].axes == "TCYX"
        np.testing.assert_array_equal(other.asarray(), STACK)
    copy_with_metadata(path, copy, factor=2)
    with tifffile.TiffFile(copy) as large:
        assert large.series[0].shape == (3, 2, 14, 18)
        assert all(words in large.ome_metadata for words in ('SizeX="18"', 'SizeY="14"', 'PhysicalSizeX="0.125"'))


def test_tags_of_a_tiff_are_kept(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.tif", tmp_path / "b.tif"
    options = {"resolution": (300, 150), "software": "theirs", "datetime": "2020:01:02 03:04:05", "iccprofile": PROFILE}
    artist = (315, 2, 0, "somebody", True)
    tifffile.imwrite(path, STACK, metadata={"axes": "TZYX", "mine": 1}, extratags=[artist], **options)
    for factor in (1, 2):
        copy_with_metadata(path, copy, factor)
        with tifffile.TiffFile(copy) as other:
            first = other.pages.first
            assert (first.resolution, first.resolutionunit) == ((300 * factor, 150 * factor), 2)
            assert [first.tags[code].value for code in (305, 306, 315)] == ["theirs", options["datetime"], "somebody"]
            assert first.iccprofile == PROFILE
            assert other.shaped_metadata == ({"shape": [3, 2, 7 * factor, 9 * factor], "axes": "TZYX", "mine": 1},)


def test_pages_keep_their_own_descriptions(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for name in ("first", "second"):
            file.write(STACK[0, 0], description=name, metadata=None)
    copy_with_metadata(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert [page.description for page in file.pages] == ["first", "second"]


def test_premultiplied_alpha_is_kept(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", INTEGERS["rgba 8"], photometric="rgb", extrasamples=["assocalpha"])
    copy_with_metadata(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages.first.extrasamples == (tifffile.EXTRASAMPLE.ASSOCALPHA,)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gray alpha 8", {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["assocalpha"]}),
        ("gray alpha 8", {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}),
        ("rgba 8", {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    ],
)
def test_alpha_channels_of_tiff_are_read(name: str, options: dict[str, object], tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGES[name], **options)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), IMAGES[name])
