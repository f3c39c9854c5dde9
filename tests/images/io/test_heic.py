"""HEIC: colors of 10 bits keep them, images are upright, and what is left out is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_samples import COLORS, PROFILE
from PIL import ExifTags, Image

from scorematching.images import read_image, read_metadata, write_image

heif = pytest.importorskip("pillow_heif")
LOSSLESS = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


def written(path: Path, image: np.ndarray, mode: str, **options: object) -> Path:
    height, width = image.shape[:2]
    heif.from_bytes(mode, (width, height), image.tobytes()).save(path, **LOSSLESS, **options)
    return path


@pytest.mark.parametrize("suffix", [".heic", ".HEIF", ".hif"])
def test_colors_of_8_bits_are_read(suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"a{suffix}", COLORS, "RGB")
    np.testing.assert_array_equal(read_image(path), COLORS)


@pytest.mark.parametrize(("mode", "channels"), [("I;16", ()), ("RGB;16", (3,)), ("RGBA;16", (4,))])
def test_10_bits_are_not_reduced_to_8(mode: str, channels: tuple[int, ...], tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 1024).astype(np.uint16).reshape(32, 32)
    image = np.broadcast_to(ramp.reshape(32, 32, *(1 for _ in channels)), (32, 32, *channels))
    found = read_image(written(tmp_path / "a.heic", np.ascontiguousarray(image), mode))
    assert found.dtype == np.uint16
    assert found.shape == image.shape
    assert len(np.unique(found)) > 1000
    assert np.abs(found.astype(int) - image).max() < 65536 / 1024


def test_metadata_are_those_of_the_upright_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.update({ExifTags.Base.Orientation: 6, ExifTags.Base.Make: "Maker"})
    image = heif.from_bytes("RGB", COLORS.shape[1::-1], COLORS.tobytes())
    image[0].info |= {"exif": exif.tobytes(), "icc_profile": PROFILE, "icc_profile_type": "prof"}
    image.save(tmp_path / "a.heic", **LOSSLESS)
    metadata = read_metadata(tmp_path / "a.heic")
    write_image(tmp_path / "a.jpg", read_image(tmp_path / "a.heic"), metadata)
    with Image.open(tmp_path / "a.jpg") as jpeg:
        assert jpeg.getexif()[ExifTags.Base.Orientation] == 1
        assert jpeg.getexif()[ExifTags.Base.Make] == "Maker"
    assert read_metadata(tmp_path / "a.jpg").icc == PROFILE
    np.testing.assert_array_equal(read_image(tmp_path / "a.heic"), np.rot90(COLORS, -1))


def test_the_main_image_of_several_is_read_with_a_warning(tmp_path: Path) -> None:
    file = heif.from_bytes("RGB", COLORS.shape[1::-1], COLORS.tobytes())
    file.add_frombytes("RGB", COLORS.shape[1::-1], (255 - COLORS).tobytes())
    file.save(tmp_path / "a.heic", primary_index=1, **LOSSLESS)
    with pytest.warns(UserWarning, match=r"a\.heic has 2 images, of which only the main one is read"):
        found = read_image(tmp_path / "a.heic")
    np.testing.assert_array_equal(found, 255 - COLORS)


def test_colors_of_high_dynamic_range_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.heic", COLORS, "RGB", save_nclx_profile=True, transfer_characteristics=16)
    with pytest.warns(UserWarning, match=r"high dynamic range \(PQ\)"):
        read_image(path)


def test_damaged_files_and_writing_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.heic", COLORS, "RGB")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"a\.heic can't be read as an image"):
        read_image(path)
    with pytest.raises(ValueError, match=r"\.heic files are only read: write a \.tif instead"):
        write_image(tmp_path / "b.heic", COLORS)
