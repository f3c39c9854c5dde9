"""TIFF files of several pages: reading, writing, and stacks that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_samples import PAGES, RANDOM

from scorematching.images import count_pages, find_white_of_file, read_image, read_metadata, read_pages, write_pages
from scorematching.images.io.tiff import TiffPages

DIFFERENT = [PAGES[0], PAGES[1][:12]]


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A TIFF of three pages."""
    write_pages(tmp_path / "stack.tif", PAGES)
    return tmp_path / "stack.tif"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3), (7, 9, 4)])
def test_pages_come_back(dtype: type, shape: tuple[int, ...], tmp_path: Path) -> None:
    pages = [RANDOM.integers(0, 255, shape).astype(dtype) for _ in range(4)]
    write_pages(tmp_path / "a.tif", iter(pages))
    assert count_pages(tmp_path / "a.tif") == 4
    for page, back in zip(pages, read_pages(tmp_path / "a.tif"), strict=True):
        assert back.dtype == dtype
        np.testing.assert_array_equal(back, page)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=2), pages[2])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), pages)


def test_a_png_stores_one_page(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.png", iter(PAGES[:1]))
    (page,) = read_pages(tmp_path / "a.png")
    np.testing.assert_array_equal(page, PAGES[0])
    with pytest.raises(ValueError, match=r"b\.png: \.png files store one image, not 3 pages: write a \.tif instead"):
        write_pages(tmp_path / "b.png", PAGES)
    with pytest.raises(ValueError, match="there is no page to write"):
        write_pages(tmp_path / "b.tif", [])
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_images_stored_behind_one_page_are_read(tmp_path: Path) -> None:
    """ImageJ writes large stacks in this form."""
    tifffile.imwrite(tmp_path / "a.tif", np.stack(PAGES), photometric="minisblack", truncate=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 1
    np.testing.assert_array_equal([*read_pages(tmp_path / "a.tif")], PAGES)
    write_pages(tmp_path / "b.tif", read_pages(tmp_path / "a.tif"), read_metadata(tmp_path / "a.tif"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), PAGES)


def test_read_image_needs_the_page_of_a_stack(stack: Path) -> None:
    with pytest.raises(ValueError, match=r"it has 3 pages, expected one: pass page=0 .* or use read_pages"):
        read_image(stack)
    with pytest.raises(ValueError, match=r"there is no page 3"):
        read_image(stack, page=3)


def test_pages_of_different_shapes_are_not_read(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as file:
        for page in DIFFERENT:
            file.write(page, metadata=None)
    with pytest.raises(ValueError, match=r"mixed\.tif .* page 2 is \(12, 28\) uint8, page 1 is \(24, 28\) uint8"):
        next(read_pages(tmp_path / "mixed.tif"))


def test_pages_of_different_shapes_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"page 2 is \(12, 28\) uint8, page 1 is \(24, 28\) uint8"):
        write_pages(tmp_path / "new.tif", DIFFERENT)
    assert not (tmp_path / "new.tif").exists()


def test_a_truncated_stack_is_refused(stack: Path) -> None:
    with tifffile.TiffFile(stack) as file:
        third = file.pages[2].offset
    stack.write_bytes(stack.read_bytes()[:third])
    with pytest.raises(ValueError, match=r"stack\.tif .* truncated: another page should follow the 2"):
        count_pages(stack)


def test_a_damaged_page_is_named(stack: Path) -> None:
    with tifffile.TiffFile(stack) as file:
        offset, size = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    data = bytearray(stack.read_bytes())
    data[offset : offset + size] = bytes(size)
    stack.write_bytes(data)
    pages = read_pages(stack)
    np.testing.assert_array_equal(next(pages), PAGES[0])
    with pytest.raises(ValueError, match=r"stack\.tif can't be read as an image: page 2: "):
        next(pages)


def is_bigtiff(path: Path) -> bool:
    with tifffile.TiffFile(path) as file:
        return bool(file.is_bigtiff)


def test_a_large_stack_is_a_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorematching.images.io.tiff._CLASSIC", 3 * PAGES[0].nbytes - 1)
    large, small, copy = (tmp_path / f"{name}.tif" for name in ("large", "small", "copy"))
    write_pages(large, PAGES)
    write_pages(small, PAGES[:2])
    write_pages(copy, read_pages(large), read_metadata(large))
    assert [is_bigtiff(path) for path in (large, small, copy)] == [True, False, True]
    np.testing.assert_array_equal([*read_pages(large)], PAGES)


def test_white_of_integers_needs_only_one_page(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, whole = [], TiffPages.__getitem__
    monkeypatch.setattr(TiffPages, "__getitem__", lambda pages, number: (read.append(number), whole(pages, number))[1])
    assert find_white_of_file(stack) == 255
    assert find_white_of_file(stack, 99) == 99
    assert read == [0, 0]
