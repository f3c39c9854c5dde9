"""NumPy, BMP, PGM, PPM and WebP: images survive a round trip, and what a format can't store is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from image_samples import COLORS, FLOATS, INTEGERS, PAGES, PROFILE, RANDOM, copy_with_metadata
from PIL import Image

from scorematching.images import Metadata, count_pages, read_image, read_metadata, read_pages, write_image, write_pages

IMAGES = {**INTEGERS, **FLOATS, "gray int32": INTEGERS["gray 8"].astype(np.int32) - 99}
KEPT = [
    *((".npy", name) for name in IMAGES),
    *((".bmp", name) for name in ("gray 8", "rgb 8")),
    *((".webp", name) for name in ("rgb 8", "rgba 8")),
    *((".pgm", name) for name in ("gray 8", "gray 16")),
    (".ppm", "rgb 8"),
]


@pytest.mark.parametrize(("suffix", "name"), KEPT)
def test_images_survive_a_round_trip(suffix: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, IMAGES[name])
    copy_with_metadata(path, tmp_path / f"b{suffix}")
    found = read_image(tmp_path / f"b{suffix}")
    assert found.dtype == IMAGES[name].dtype
    np.testing.assert_array_equal(found, IMAGES[name])


@pytest.mark.parametrize(
    ("suffix", "name", "message"),
    [
        (".bmp", "rgba 8", "an alpha channel"),
        (".bmp", "gray 16", "uint16 pixels"),
        (".webp", "gray 8", "grayscale images"),
        (".pgm", "rgb 8", "color images"),
        (".ppm", "gray 8", "grayscale images"),
        (".ppm", "rgb 16", "uint16 pixels"),
    ],
)
def test_what_a_format_cannot_store_is_refused(suffix: str, name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{suffix} files can't store {message}: write a"):
        write_image(tmp_path / f"a{suffix}", INTEGERS[name])


def test_checksums_of_fits_are_those_of_the_result(tmp_path: Path) -> None:
    fits = pytest.importorskip("astropy.io.fits")
    header = fits.Header({"BLANK": -1})
    fits.PrimaryHDU(PAGES[0].astype(np.int16), header).writeto(tmp_path / "a.fits", checksum=True)
    write_image(tmp_path / "b.fits", PAGES[0].astype(np.float32) / 7, read_metadata(tmp_path / "a.fits"))
    with fits.open(tmp_path / "b.fits", checksum=True) as file:  # a wrong one warns
        assert "BLANK" not in file[0].header
        assert file[0].header["DATASUM"] != "0"


def test_images_beyond_any_memory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="image does not fit in memory: ndarray of uint8"):
        write_image(tmp_path / "a.tif", np.broadcast_to(np.zeros((), np.uint8), (10**6, 10**6)))


@pytest.mark.parametrize("leading", [(1,), (3,), (3, 1, 2)])
def test_stacks_of_numpy_keep_their_shape(leading: tuple[int, ...], tmp_path: Path) -> None:
    stack = RANDOM.integers(-99, 999, (*leading, 24, 28)).astype(">i2")
    np.save(tmp_path / "a.npy", stack)
    assert count_pages(tmp_path / "a.npy") == np.prod(leading)
    assert all(page.dtype.isnative for page in read_pages(tmp_path / "a.npy"))
    copy_with_metadata(tmp_path / "a.npy", tmp_path / "b.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), stack)


def test_arrays_that_are_not_images_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(5))
    np.save(tmp_path / "b.npy", np.array([{}]), allow_pickle=True)
    np.savez(tmp_path / "two.npz", PAGES[0], PAGES[1])
    (tmp_path / "two.npz").rename(tmp_path / "d.npy")
    with pytest.raises(ValueError, match=r"d\.npy can't .* it has several arrays"):
        read_image(tmp_path / "d.npy")
    np.save(tmp_path / "e.npy", np.zeros((4, 5), np.int64))
    with pytest.raises(ValueError, match=r"e\.npy can't .* got int64"):
        read_image(tmp_path / "e.npy")
    with pytest.raises(ValueError, match=r"its shape is \(5,\), expected"):
        read_image(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=r"b\.npy can't be read as an image"):
        read_image(tmp_path / "b.npy")
    with pytest.raises(ValueError, match="same shape and type"):
        write_pages(tmp_path / "c.npy", [PAGES[0], PAGES[0][1:]])


def test_a_numpy_file_does_not_change_images_that_were_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.stack(PAGES))
    pages = list(read_pages(tmp_path / "a.npy"))
    np.save(tmp_path / "a.npy", 0 * np.stack(PAGES))
    np.testing.assert_array_equal(pages, PAGES)


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_the_first_frame_of_an_animation_is_read_with_a_warning(name: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(COLORS), Image.fromarray(255 - COLORS)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    with pytest.warns(UserWarning, match=f"{name} is an animation of 2 frames, of which only the first is read"):
        found = read_image(tmp_path / name)
    np.testing.assert_array_equal(found[..., :3], COLORS)


def test_deep_colors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 # deep\n2 1\n65535\n" + bytes(12))
    with pytest.raises(ValueError, match="its largest value is 65535"):
        read_image(tmp_path / "a.ppm")


def test_a_color_table_becomes_colors(tmp_path: Path) -> None:
    table = Image.fromarray(COLORS).quantize(16)
    table.save(tmp_path / "a.bmp")
    np.testing.assert_array_equal(read_image(tmp_path / "a.bmp"), np.asarray(table.convert("RGB")))


def test_webp_keeps_its_color_profile(tmp_path: Path) -> None:
    write_image(tmp_path / "a.webp", COLORS, Metadata(icc=PROFILE))
    assert read_metadata(tmp_path / "a.webp").icc == PROFILE


@pytest.mark.parametrize("suffix", [".fits", ".mrc"])
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32"])
def test_images_of_telescopes_and_electron_microscopes_keep_their_shape_and_type(
    suffix: str, count: int, dtype: str, tmp_path: Path
) -> None:
    """A count of 0 stands for one image without a dimension for a stack."""
    images = [page.astype(dtype) for page in PAGES[: max(count, 1)]]
    write_pages(tmp_path / f"a{suffix}", images, Metadata(leading=(count,) if count else ()))
    assert count_pages(tmp_path / f"a{suffix}") == max(count, 1)
    copy_with_metadata(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}")
    found = list(read_pages(tmp_path / f"b{suffix}"))
    assert found[0].dtype == dtype
    np.testing.assert_array_equal(found, images)
    assert read_metadata(tmp_path / f"b{suffix}").leading == ((count,) if count else ())


def test_fits_keeps_its_header(tmp_path: Path) -> None:
    fits = pytest.importorskip("astropy.io.fits")
    first = fits.PrimaryHDU(PAGES[0], header=fits.Header({"OBJECT": "M 31", "CRVAL1": 10.68, "EXPTIME": 30.0}))
    fits.HDUList([first, fits.ImageHDU(PAGES[1])]).writeto(tmp_path / "a.fits")
    with pytest.warns(UserWarning, match=r"a\.fits: only the first of its 2 images is read"):
        copy_with_metadata(tmp_path / "a.fits", tmp_path / "b.fits")
    header = fits.getheader(tmp_path / "b.fits")
    assert [header[name] for name in ("OBJECT", "CRVAL1", "EXPTIME")] == ["M 31", 10.68, 30.0]


def test_mrc_keeps_its_voxel_size_and_labels(tmp_path: Path) -> None:
    mrcfile = pytest.importorskip("mrcfile")
    with mrcfile.new(tmp_path / "a.mrc", np.stack(PAGES)) as file:
        file.voxel_size = (1.5, 1.5, 3.0)
        file.add_label("aligned")
        file.set_volume()
    copy_with_metadata(tmp_path / "a.mrc", tmp_path / "b.mrc")
    with mrcfile.open(tmp_path / "b.mrc") as file:
        assert file.voxel_size.tolist() == (1.5, 1.5, 3.0)
        assert any("aligned" in label for label in file.get_labels())
        assert file.is_volume()


def test_a_format_whose_package_is_missing_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mrc").write_bytes(bytes(2000))
    monkeypatch.setitem(sys.modules, "mrcfile", None)
    with pytest.raises(ValueError, match=r"needs the package mrcfile: pip install 'scorematching\[formats\]'"):
        read_image(tmp_path / "a.mrc")


@pytest.mark.parametrize("color", [False, True], ids=["gray", "color"])
def test_the_frames_of_a_gif_are_its_pages(color: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frames = [random.integers(0, 4, (20, 30, 3) if color else (20, 30)).astype(np.uint8) * 60 for _ in range(3)]
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:])
    assert np.array_equal(list(read_pages(tmp_path / "a.gif")), frames)
    with pytest.raises(ValueError, match=r"\.gif files are only read.*write a \.tif"):
        write_image(tmp_path / "b.gif", frames[0])
    assert not (tmp_path / "b.gif").exists()


def test_each_frame_of_a_gif_has_its_palette(tmp_path: Path) -> None:
    gray, color = np.arange(256, dtype=np.uint8).reshape(16, 16), np.zeros((16, 16, 3), np.uint8)
    color[..., 0], color[:8, :, 1] = 255, 200
    frames = [Image.fromarray(gray), Image.fromarray(color)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], optimize=False)
    first, second = read_pages(tmp_path / "a.gif")
    assert np.array_equal(first[..., 1], gray)
    assert np.array_equal(second, color)


def test_transparent_pixels_of_a_gif_have_no_alpha(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6)).convert("P")
    image.save(tmp_path / "a.gif", transparency=5)
    (page,) = read_pages(tmp_path / "a.gif")
    assert (page[..., 3] == 0).sum() == 1


def test_the_result_of_a_gif_in_a_folder_is_a_tiff(prior_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    frames = [Image.fromarray(np.random.default_rng(n).integers(0, 255, (24, 24), np.uint8)) for n in range(2)]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    assert run("denoise", folder, "-o", tmp_path / "out", "--prior", prior_file, "--sigma", 25) == 0
    assert len(list(read_pages(tmp_path / "out" / "a.tif"))) == 2
    write_image(folder / "a.tif", np.zeros((24, 24), np.uint8))
    assert run("denoise", folder / "a.gif", folder / "a.gif", "-o", folder, "--prior", prior_file, "--sigma", 25) == 1
    frames[0].save(folder / "b.gif")
    assert run("denoise", folder / "a.gif", folder / "b.gif", "-o", folder, "--prior", prior_file, "--sigma", 25) == 1
    assert not read_image(folder / "a.tif").any()
