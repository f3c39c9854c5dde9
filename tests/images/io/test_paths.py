"""Input files that are found, and output paths that are refused before any work is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_samples import FLOATS

from scorematching.images import find_images, write_image
from scorematching.images.io.paths import check_output


def test_images_are_found_in_a_folder_and_by_name(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.tif", "c.txt", "._a.tif"):  # macOS writes hidden files to foreign disks
        (tmp_path / name).touch()
    assert [p.name for p in find_images([tmp_path])] == ["a.tif", "b.PNG"]
    assert [p.name for p in find_images([tmp_path / "b.PNG"])] == ["b.PNG"]


def test_missing_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        find_images([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no image"):
        find_images([tmp_path / "empty"])


def test_an_error_of_the_output_does_not_name_the_input(tmp_path: Path) -> None:
    source = tmp_path / "a.tif"
    write_image(source, FLOATS["rgb float64"])
    with pytest.raises(FileNotFoundError, match=r"^no such folder"):
        check_output(tmp_path / "none" / "b.tif", source)
    with pytest.raises(IsADirectoryError, match="is a folder, expected a file to write"):
        check_output(tmp_path, source)
    with pytest.raises(ValueError, match=r"^b\.png: \.png files can't store float64"):
        check_output(tmp_path / "b.png", source)


def test_an_output_replaces_its_source_only_with_overwrite(tmp_path: Path) -> None:
    source, other = tmp_path / "a.tif", tmp_path / "b.tif"
    write_image(source, FLOATS["rgb float64"])
    with pytest.raises(ValueError, match="pass --overwrite to replace it"):
        check_output(source, source)
    check_output(source, source, overwrite=True)
    with pytest.raises(ValueError, match=r"b\.tif is an input"):
        check_output(other, source, other, overwrite=True)
