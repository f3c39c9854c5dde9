"""Images: files of every kind, arrays of every type, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import scorematching as sm
from scorematching.images import find_images, from_planes, read_metadata, ssim, to_planes
from scorematching.images.io.paths import check_output

RANDOM = np.random.default_rng(0)
PICTURES = {
    "gray 8": RANDOM.integers(0, 256, (7, 9), dtype=np.uint8),
    "rgb 8": RANDOM.integers(0, 256, (7, 9, 3), dtype=np.uint8),
    "rgba 8": RANDOM.integers(0, 256, (7, 9, 4), dtype=np.uint8),
    "gray 16": RANDOM.integers(0, 65536, (7, 9), dtype=np.uint16),
    "rgb 16": RANDOM.integers(0, 65536, (7, 9, 3), dtype=np.uint16),
}
FLOATS = {"gray float32": RANDOM.random((7, 9), dtype=np.float32), "rgb float64": RANDOM.random((7, 9, 3))}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_integers_come_back_bit_for_bit(name: str, suffix: str, tmp_path: Path) -> None:
    sm.write_image(tmp_path / f"a{suffix}", PICTURES[name])
    back = sm.read_image(tmp_path / f"a{suffix}")
    assert back.dtype == PICTURES[name].dtype
    np.testing.assert_array_equal(back, PICTURES[name])
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize("name", FLOATS)
def test_floats_come_back_from_tiff(name: str, tmp_path: Path) -> None:
    sm.write_image(tmp_path / "a.tiff", FLOATS[name])
    np.testing.assert_array_equal(sm.read_image(tmp_path / "a.tiff"), FLOATS[name])


@pytest.mark.parametrize("name", ["gray 8", "rgb 8", "rgba 8", "gray alpha 8", "gray 16"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_another_reader_sees_the_same(name: str, suffix: str, tmp_path: Path) -> None:
    image = PICTURES["rgba 8"][..., :2] if name == "gray alpha 8" else PICTURES[name]
    sm.write_image(tmp_path / f"a{suffix}", image)
    with Image.open(tmp_path / f"a{suffix}") as image:
        np.testing.assert_array_equal(np.asarray(image), image)
    np.testing.assert_array_equal(sm.read_image(tmp_path / f"a{suffix}"), image)


def test_big_endian_pixels_are_pixels() -> None:
    image = PICTURES["gray 16"].astype(">u2")
    planes = to_planes(image)
    np.testing.assert_array_equal(from_planes(planes, planes.data), image)


def test_kinds_of_files_that_are_refused(tmp_path: Path) -> None:
    colors = Image.fromarray(PICTURES["rgb 8"])
    colors.quantize(8).save(tmp_path / "palette.tif")
    colors.convert("CMYK").save(tmp_path / "cmyk.tif")
    colors.convert("CMYK").save(tmp_path / "cmyk.jpg")
    colors.save(tmp_path / "stack.tif", save_all=True, append_images=[colors, colors])
    colors.resize((200, 200)).save(tmp_path / "cut.jpg", quality=95)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:2000])
    for name, message in (
        ("palette.tif", "its colors are palette"),
        ("cmyk.tif", "its colors are separated"),
        ("cmyk.jpg", "its colors are CMYK"),
        ("stack.tif", "it has 3 pages"),
        ("cut.jpg", "truncated"),
    ):
        with pytest.raises(ValueError, match=message):
            sm.read_image(tmp_path / name)
    with pytest.raises(ValueError, match="can't hold an alpha channel"):
        sm.write_image(tmp_path / "a.jpg", PICTURES["rgba 8"])


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_channels_that_are_neither_colors_nor_alpha_are_refused(channels: int, planar: str, tmp_path: Path) -> None:
    """As of a microscope: the second of two would be taken for alpha, and left as it is."""
    image = PICTURES["rgba 8"][..., :channels]
    if planar == "separate":
        image = np.moveaxis(image, 2, 0)
    said = {"photometric": "minisblack", "planarconfig": planar, "extrasamples": [0] * (channels - 1)}
    tifffile.imwrite(tmp_path / "a.tif", image, **said)
    with pytest.raises(
        ValueError, match=f"a.tif can't .* {channels} channels that are neither .*: save each as a page"
    ):
        sm.read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("alpha", ["assocalpha", "unassalpha"])
def test_alpha_beside_gray_is_alpha(alpha: str, tmp_path: Path) -> None:
    image = PICTURES["rgba 8"][..., :2]
    said = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": [alpha]}
    tifffile.imwrite(tmp_path / "a.tif", image, **said)
    np.testing.assert_array_equal(sm.read_image(tmp_path / "a.tif"), image)


def test_a_fourth_channel_beside_colors_is_read(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PICTURES["rgba 8"], photometric="rgb", extrasamples=[0])
    np.testing.assert_array_equal(sm.read_image(tmp_path / "a.tif"), PICTURES["rgba 8"])


def test_white_may_be_zero_in_a_tiff(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PICTURES["gray 8"], photometric="miniswhite")
    np.testing.assert_array_equal(sm.read_image(tmp_path / "a.tif"), 255 - PICTURES["gray 8"])


def test_a_result_that_is_not_finite_is_refused() -> None:
    planes = to_planes(PICTURES["gray 8"])
    with pytest.raises(ValueError, match="63 pixels that are NaN or infinite"):
        from_planes(planes, planes.data * np.nan)


def test_jpeg(tmp_path: Path) -> None:
    smooth = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (16, 1))
    sm.write_image(tmp_path / "a.jpg", smooth)
    assert np.abs(sm.read_image(tmp_path / "a.jpg").astype(int) - smooth).max() < 8


def test_a_jpeg_of_very_many_pixels_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sm.write_image(tmp_path / "a.jpg", PICTURES["rgb 8"])
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 8)
    assert sm.read_image(tmp_path / "a.jpg").shape == (7, 9, 3)
    assert read_metadata(tmp_path / "a.jpg").exif is None


@pytest.mark.parametrize("image", [*PICTURES.values(), *FLOATS.values()], ids=[*PICTURES, *FLOATS])
def test_planes_and_back(image: np.ndarray) -> None:
    planes = to_planes(image)
    back = from_planes(planes, planes.data)
    assert back.dtype == image.dtype
    np.testing.assert_allclose(back, image, rtol=1e-6)


def test_ranges_are_kept() -> None:
    planes = to_planes(PICTURES["rgba 8"])
    bright = from_planes(planes, planes.data * 3 - 1)
    assert bright.dtype == np.uint8
    assert {bright[..., :3].min(), bright[..., :3].max()} == {0, 255}
    np.testing.assert_array_equal(bright[..., 3], PICTURES["rgba 8"][..., 3])
    assert to_planes(np.full((4, 4), 4000.0)).data_range == 4000
    assert to_planes(np.full((4, 4), 1.3)).data_range == 1


@pytest.mark.parametrize(
    ("image", "kind", "message"),
    [
        ([[1.0]], TypeError, "numpy array, got list"),
        (np.zeros((4, 4), np.int64), TypeError, "uint8, uint16 or floating point, got int64"),
        (np.zeros(4, np.uint8), ValueError, r"shape \(H, W\).*got \(4,\)"),
        (np.zeros((4, 4, 5), np.uint8), ValueError, r"got \(4, 4, 5\)"),
        (np.zeros((0, 4), np.uint8), ValueError, r"got \(0, 4\)"),
        (np.full((4, 4), np.nan), ValueError, "16 values that are NaN or infinite"),
    ],
)
def test_arrays_that_are_no_images(image: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        to_planes(image)  # type: ignore[arg-type]


def test_a_peak_must_be_positive() -> None:
    with pytest.raises(ValueError, match="peak must be a positive number, got 0"):
        to_planes(PICTURES["gray 8"], data_range=0.0)


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not an image")
    (tmp_path / "a.tif").write_bytes(b"not an image")
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "folder.png").mkdir()
    for name in ("a.png", "a.tif", "a.jpg"):
        with pytest.raises(ValueError, match=f"{name} can't be read as an image"):
            sm.read_image(tmp_path / name)
    with pytest.raises(ValueError, match=r"expected a file that ends in \.png"):
        sm.read_image(tmp_path / "a.txt")
    with pytest.raises(ValueError, match="is a folder"):
        sm.read_image(tmp_path / "folder.png")
    with pytest.raises(FileNotFoundError, match="no such file"):
        sm.read_image(tmp_path / "b.png")


def test_what_can_not_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.png: .png files can't hold float64 pixels; write a .tif instead"):
        sm.write_image(tmp_path / "a.png", FLOATS["rgb float64"])
    with pytest.raises(ValueError, match=r"\.jpg files can't hold uint16"):
        sm.write_image(tmp_path / "a.jpg", PICTURES["gray 16"])
    with pytest.raises(FileNotFoundError, match="no such folder"):
        sm.write_image(tmp_path / "none" / "a.png", PICTURES["gray 8"])
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_with_the_output_is_not_said_of_the_input(tmp_path: Path) -> None:
    source = tmp_path / "a.tif"
    sm.write_image(source, FLOATS["rgb float64"])
    with pytest.raises(FileNotFoundError, match=r"^no such folder"):
        check_output(tmp_path / "none" / "b.tif", source)
    with pytest.raises(IsADirectoryError, match="is a folder, expected a file to write"):
        check_output(tmp_path, source)
    with pytest.raises(ValueError, match=r"^b\.png: \.png files can't hold float64"):
        check_output(tmp_path / "b.png", source)


def test_finding_images(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.tif", "c.txt"):
        (tmp_path / name).touch()
    assert [p.name for p in find_images([tmp_path])] == ["a.tif", "b.PNG"]
    assert [p.name for p in find_images([tmp_path / "b.PNG"])] == ["b.PNG"]
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        find_images([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no image"):
        find_images([tmp_path / "empty"])


def test_quality_measures_by_hand() -> None:
    clean = np.zeros((16, 16))
    assert sm.psnr(clean, np.full((16, 16), 0.01)) == pytest.approx(40)
    assert sm.psnr(clean, np.where(np.eye(16) > 0, 0.04, -5.0)) == pytest.approx(40)  # clipped first
    assert ssim(np.eye(16), 1 - np.eye(16)) < 0.1
    with pytest.raises(ValueError, match="differ in shape"):
        sm.psnr(clean, np.zeros((4, 4)))
