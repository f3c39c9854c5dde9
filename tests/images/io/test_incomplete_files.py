"""Pixels that are missing are an error, and pages stay as they were read when their file changes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_samples import PAGES, RANDOM
from PIL import Image, ImageFile

from scorematching.images import read_image, read_metadata, read_pages, write_pages
from scorematching.images.io.tiff_array import open_tiff

PHOTOGRAPH = RANDOM.integers(0, 256, (96, 112, 3), dtype=np.uint8)


def jpeg(**options: object) -> bytes:
    """Return the content of a JPEG."""
    file = io.BytesIO()
    Image.fromarray(PHOTOGRAPH).save(file, "jpeg", **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": "4:4:4"}])
def test_a_jpeg_that_ends_before_its_pixels_is_refused(options: dict[str, object], tmp_path: Path) -> None:
    """Decoders make the rest gray, silently."""
    content, path = jpeg(**options), tmp_path / "a.jpg"
    path.write_bytes(content)
    assert read_image(path).shape == PHOTOGRAPH.shape
    for end in (len(content) // 2, len(content) - 40):
        path.write_bytes(content[:end] + b"\xff\xd9")
        with pytest.raises(ValueError, match=r"a\.jpg .*pixels are missing"):
            read_image(path)


def test_restarts_of_a_jpeg_that_are_missing_are_an_error(tmp_path: Path) -> None:
    content, path = jpeg(restart_marker_rows=1), tmp_path / "a.jpg"
    start = content.index(b"\xff\xd1")
    path.write_bytes(content[: start - 30] + content[start:])
    with pytest.raises(ValueError, match="pixels are missing"):
        read_image(path)


def test_truncated_files_are_refused_even_if_the_program_allows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg()[:3000])
    with pytest.raises(ValueError, match=r"a\.jpg .*truncated"):
        read_image(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_a_jpeg_in_a_tiff_that_lacks_pixels_is_refused(tile: tuple[int, int] | None, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PHOTOGRAPH, compression="jpeg", photometric="rgb", tile=tile)
    before = read_image(path)
    with tifffile.TiffFile(path, mode="r+") as file:
        tag = file.pages.first.tags["TileByteCounts" if tile else "StripByteCounts"]
        counts = [tag.value] if isinstance(tag.value, int) else list(tag.value)
        counts[-1] -= 100
        tag.overwrite(counts)
    assert before.shape == PHOTOGRAPH.shape
    with pytest.raises(ValueError, match=f"pixels are missing in part {len(counts)} of {len(counts)}"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.tif", "imagej.tif", "a.npy", "a.fits", "a.mrc"])
def test_a_file_that_becomes_shorter_while_it_is_read_is_an_error(name: str, tmp_path: Path) -> None:
    """A memory map would end the program by a signal."""
    path, pages = tmp_path / name, [page.astype(np.uint16) for page in [*PAGES, *PAGES]]
    if path.suffix == ".tif":
        options = {"imagej": True} if name == "imagej.tif" else {"truncate": True, "photometric": "minisblack"}
        tifffile.imwrite(path, np.stack(pages), **options)
    else:
        write_pages(path, pages)
    images = read_pages(path)
    first = next(images)
    path.write_bytes(bytes(99))
    np.testing.assert_array_equal(first, pages[0])
    with pytest.raises(ValueError, match=name):
        list(images)


@pytest.mark.parametrize(("name", "cut"), [("a.npy", 9), ("a.mrc", 9), ("a.fits", 2880)])
def test_images_that_are_missing_at_the_end_are_counted(name: str, cut: int, tmp_path: Path) -> None:
    path = tmp_path / name
    write_pages(path, [page.astype(np.uint16) for page in PAGES])
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ValueError, match=rf"{name} .*it is truncated: 2 of 3 images are in the file"):
        next(read_pages(path))


def test_a_file_that_an_ome_tiff_names_and_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """Tifffile reads its planes as 0."""
    planes = "".join(
        f'<TiffData FirstT="{t}" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{t + 1}</UUID></TiffData>'
        for t, name in enumerate(("a.ome.tif", "b.ome.tif"))
    )
    sizes = 'DimensionOrder="XYZCT" Type="uint8" SizeX="28" SizeY="24" SizeZ="1" SizeC="1" SizeT="2"'
    xml = f'<?xml version="1.0"?><OME UUID="urn:uuid:1"><Image><Pixels {sizes}>{planes}</Pixels></Image></OME>'
    tifffile.imwrite(tmp_path / "a.ome.tif", PAGES[0], description=xml, metadata=None)
    with pytest.raises(ValueError, match=r"a\.ome\.tif .*it is damaged: 1 of its 2 pages are in the file"):
        open_tiff(tmp_path / "a.ome.tif")


TEN = """<?xml version="1.0"?><OME><Image><Pixels SizeX="28" SizeY="24" SizeZ="2" SizeC="1" SizeT="5">
<TiffData/></Pixels></Image></OME>"""


@pytest.mark.parametrize("description", ["ImageJ=1.53t\nimages=10\nframes=10\n", '{"shape": [10, 24, 28]}', TEN])
@pytest.mark.parametrize("count", [1, 3])
def test_pages_that_a_description_has_and_the_file_lacks_are_an_error(
    count: int, description: str, tmp_path: Path
) -> None:
    path, options = tmp_path / "a.tif", {"photometric": "minisblack", "metadata": None, "description": description}
    tifffile.imwrite(path, np.stack(PAGES[:count]), **options)
    with pytest.raises(ValueError, match=rf"a\.tif .*it is truncated: {count} of 10 (pages|images) are in the file"):
        next(read_pages(path))


def test_several_stacks_behind_one_page_each_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for pages in (PAGES, PAGES[:2]):
            file.write(np.stack(pages), truncate=True, photometric="minisblack")
    with pytest.raises(ValueError, match=r"a\.tif .*it has several stacks, each behind one page: save them apart"):
        next(read_pages(tmp_path / "a.tif"))


@pytest.mark.parametrize("options", [{"imagej": True}, {"photometric": "minisblack"}, {"ome": True}])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.filterwarnings("ignore:the OME-XML describes more pages than are written and is left out")
def test_a_part_of_a_stack_is_written_without_the_number_of_its_pages(
    count: int, options: dict[str, bool], tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack(PAGES), **options)
    write_pages(tmp_path / "b.tif", PAGES[:count], read_metadata(tmp_path / "a.tif"))
    np.testing.assert_array_equal([*read_pages(tmp_path / "b.tif")], PAGES[:count])
    np.testing.assert_array_equal(np.squeeze(tifffile.imread(tmp_path / "b.tif")), np.squeeze(PAGES[:count]))
