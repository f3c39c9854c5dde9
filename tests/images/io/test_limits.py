"""What a file may ask for: memory, time, and to be a file at all."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_samples import COLORS, PAGES

from benchmarks.damage import samples
from scorematching.images import count_pages, read_image, read_metadata, read_pages, write_image
from scorematching.images.io.limits import VARIABLE, allowed, check_images
from scorematching.images.io.tiff_array import open_tiff
from scorematching.priors import load_prior

MANY_PLANES = """<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="28" SizeY="24" SizeZ="1" SizeC="1"
SizeT="1"><TiffData IFD="0" PlaneCount="1000000000"/></Pixels></Image></OME>"""


def test_images_above_the_limit_are_refused_in_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "2000")
    for suffix, content in (file for found in samples().values() for file in found):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"a{suffix} .*at most 2,000: if you trust the file, set .*{VARIABLE}="):
            next(read_pages(path))


@pytest.mark.parametrize("name", ["a.fits", "a.mrc"])
def test_a_compressed_file_is_decompressed_up_to_the_limit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    write_image(path, PAGES[0].astype(np.float32))
    content = path.read_bytes()
    path.write_bytes(gzip.compress(content))
    np.testing.assert_array_equal(read_image(path), PAGES[0])
    path.write_bytes(gzip.compress(content[: len(content) // 2]))
    with pytest.raises(ValueError, match=r"it is truncated: 0 of 1 images"):
        read_image(path)
    path.write_bytes(gzip.compress(content + bytes(3 * 2**20)))
    monkeypatch.setenv(VARIABLE, str(2**20))
    for read in (read_image, read_metadata):
        with pytest.raises(ValueError, match=rf"{name} .*its decompressed content takes more than 1,048,576 bytes"):
            read(path)


def test_the_limit_grows_with_the_file_and_is_set_by_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    assert allowed(10**6) - allowed(0) == 10**8
    assert allowed(10**12) == 2**32
    check_images((16384, 16384), np.dtype(np.uint8), 0)
    with pytest.raises(ValueError, match="one in 256 of its 1,000,000 images of 1024 x 1024 uint8"):
        check_images((1024, 1024), np.dtype(np.uint8), 10**6, 10**6)
    check_images((1024, 1024), np.dtype(np.uint8), 2**40, 2**20)  # without compression
    monkeypatch.setenv(VARIABLE, "9" * 5000)
    with pytest.raises(ValueError, match=f"{VARIABLE} is '9{{30}}', expected a positive number of bytes"):
        allowed(1)
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(ValueError, match=f"{VARIABLE} is 'much', expected a positive number of bytes"):
        allowed(0)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".dng", ".fits"])
def test_pipes_and_devices_are_refused_at_once(suffix: str, tmp_path: Path) -> None:
    pipe, device = tmp_path / f"pipe{suffix}", tmp_path / f"device{suffix}"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for read in (read_image, count_pages):
        if suffix == ".png" and read is count_pages:
            continue
        with pytest.raises(ValueError, match=f"pipe{suffix} is a pipe, expected an image"):
            read(pipe)
        with pytest.raises(ValueError, match=f"device{suffix} is a device, expected an image"):
            read(device)
    os.mkfifo(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="is a pipe"):
        load_prior(tmp_path / "a.safetensors")


def test_parts_of_a_tiff_that_claim_to_be_larger_than_their_page_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COLORS, compression="jpeg", photometric="rgb")
    content = bytearray(path.read_bytes())
    struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, 60000, 60000)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"an image of 60000 x 60000 x 3 uint8 would take 10,800,000,000 bytes"):
        read_image(path)


def test_a_list_of_parts_that_pages_share_is_counted_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack(PAGES), photometric="minisblack", metadata=None)
    monkeypatch.setenv(VARIABLE, "9000")
    with pytest.raises(ValueError, match=r"the list of its pages, 3 so far, would take 12,528 bytes"):
        count_pages(path)


def test_planes_that_ome_xml_invents_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, PAGES[0], description=MANY_PLANES, metadata=None)
    with pytest.raises(ValueError, match=r"the list of 1000000000 images of its OME-XML would take"):
        open_tiff(path)


def test_other_parts_of_an_ome_tiff_must_be_files(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    named = MANY_PLANES.replace('"1000000000"/>', '"1"><UUID FileName="b.tif">urn:uuid:1</UUID></TiffData>')
    tifffile.imwrite(path, PAGES[0], description=named, metadata=None)
    os.mkfifo(tmp_path / "b.tif")
    with pytest.raises(ValueError, match=r"b\.tif is a pipe, expected another part of the TIFF"):
        open_tiff(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".heic"])
def test_a_file_larger_than_memory_is_not_read_as_a_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(next(content for found in samples().values() for end, content in found if end == suffix))
    os.truncate(path, 2**40)  # without taking space
    with pytest.raises(ValueError, match=r"its content would take 1,099,511,627,776 bytes"):
        read_image(path)
