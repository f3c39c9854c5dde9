"""Camera raw files are developed, and what can't be read is one error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run

import scorematching as sm
from benchmarks.raw import BLACK, WHITE, linear, sensor, write_dng
from scorematching.images import read_image, write_image
from scorematching.images.io.raw import opened, put_back, sensor_of

pytest.importorskip("rawpy")


@pytest.fixture
def photograph_in_color() -> np.ndarray:
    """Smooth colors, which are known between the pixels of the sensor too."""
    down, across = np.mgrid[:48, :64] / 64
    return 255 * np.stack([0.3 + 0.5 * down, 0.8 - 0.4 * across, 0.2 + 0.3 * (down + across)], -1)


def test_colors_come_back(photograph_in_color: np.ndarray, tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", sensor(linear(photograph_in_color)))
    found = read_image(tmp_path / "a.dng")
    assert found.dtype == np.uint16
    assert found.shape == (48, 64, 3)
    assert np.abs(found / 257 - photograph_in_color)[4:-4, 4:-4].max() < 3


def test_brightness_does_not_depend_on_the_brightest_pixel(photograph_in_color: np.ndarray, tmp_path: Path) -> None:
    values = sensor(linear(photograph_in_color))
    write_dng(tmp_path / "a.dng", values)
    values[40:44, 50:54] = WHITE
    write_dng(tmp_path / "b.dng", values)
    a, b = (read_image(tmp_path / name)[4:24, 4:24] for name in ("a.dng", "b.dng"))
    np.testing.assert_array_equal(a, b)


def test_the_image_is_upright(photograph_in_color: np.ndarray, tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", sensor(linear(photograph_in_color)))
    write_dng(tmp_path / "b.dng", sensor(linear(photograph_in_color)), orientation=6)
    np.testing.assert_array_equal(read_image(tmp_path / "b.dng"), np.rot90(read_image(tmp_path / "a.dng"), -1))


def test_a_folder_of_raw_files_becomes_tiffs(photograph_in_color: np.ndarray, tmp_path: Path, prior_file: Path) -> None:
    (tmp_path / "photographs").mkdir()
    write_dng(tmp_path / "photographs" / "a.DNG", sensor(linear(photograph_in_color)))
    run("denoise", tmp_path / "photographs", "-o", tmp_path / "clean", "--sigma", 900, "--prior", prior_file)
    result = read_image(tmp_path / "clean" / "a.tif")
    assert result.shape == (48, 64, 3)
    assert result.dtype == np.uint16


@pytest.mark.parametrize("shape", [(48, 64), (47, 63)])
def test_values_of_the_sensor_are_sorted_by_color_and_put_back(shape: tuple[int, int], tmp_path: Path) -> None:
    values = BLACK - 5 + np.arange(np.prod(shape)).reshape(shape)
    write_dng(tmp_path / "a.dng", values)
    with opened(tmp_path / "a.dng") as file:
        sensor = sensor_of(file)
        assert sensor is not None
        assert sensor.white == WHITE - BLACK
        red, _, second, blue = sensor.planes + BLACK
        np.testing.assert_array_equal(red, values[::2, ::2])
        np.testing.assert_array_equal(second[: shape[0] // 2], values[1::2, ::2])
        np.testing.assert_array_equal(blue[: shape[0] // 2, : shape[1] // 2], values[1::2, 1::2])
        put_back(sensor.planes + 7.4, file)
        np.testing.assert_array_equal(file.raw_image_visible, values + 7)


@pytest.fixture
def dim(photograph_in_color: np.ndarray, tmp_path: Path) -> Path:
    """A raw file of a sensor whose white is 200 electrons."""
    light = (sensor(linear(np.tile(photograph_in_color, (2, 2, 1)))) - BLACK) / (WHITE - BLACK)
    counts = np.random.default_rng(0).poisson(200 * light) / 200
    write_dng(tmp_path / "dim.dng", BLACK + np.rint((WHITE - BLACK) * counts))
    return tmp_path / "dim.dng"


def test_noise_is_removed_before_development(dim: Path, photograph_in_color: np.ndarray) -> None:
    clean, noise = sm.restoration.denoise_raw(dim)
    assert isinstance(noise, sm.PoissonGaussianNoise)
    assert noise.gain == pytest.approx((WHITE - BLACK) / 200, rel=0.15)
    truth = np.tile(photograph_in_color, (2, 2, 1))
    noisy, result = (sm.psnr(truth, image / 257, data_range=255) for image in (read_image(dim), clean))
    assert result > noisy + 5


def test_the_command_denoises_before_development_unless_an_option_is_for_the_image(
    dim: Path, tmp_path: Path, prior_file: Path
) -> None:
    run("denoise", dim, "-o", tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), sm.restoration.denoise_raw(dim).image)
    run("denoise", dim, "-o", tmp_path / "b.tif", "--sigma", 3000, "--prior", prior_file)
    expected = sm.denoise(read_image(dim), 3000, prior_file)
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), expected)


def test_what_a_raw_file_lacks_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dng(tmp_path / "small.dng", BLACK + np.full((40, 60), 999))
    write_dng(tmp_path / "black.dng", np.full((100, 100), BLACK))
    (tmp_path / "none.dng").write_bytes(b"no raw file")
    for name, message in (
        ("small.dng", "has 60 x 40 pixels, which are too few: 84 or more"),
        ("black.dng", "no noise was found in black.dng: pass --sigma"),
        ("none.dng", "can't be read as an image"),
        ("missing.dng", "missing.dng"),
    ):
        assert run("denoise", tmp_path / name, "-o", tmp_path / "out.tif") == 1
        shown = capsys.readouterr()
        assert message in shown.err.replace("\n", " ")
        assert shown.err.count(name) == 1
        assert "note" not in shown.out + shown.err
    with pytest.raises(FileNotFoundError, match="no such file"):
        sm.restoration.denoise_raw(tmp_path / "missing.dng")
    assert sm.restoration.denoise_raw(tmp_path / "black.dng").noise == sm.GaussianNoise(0)


@pytest.mark.parametrize("suffix", [".dng", ".CR2", ".nef", ".arw"])
def test_damaged_files_and_writing_are_refused(suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_dng(tmp_path / f"a{suffix}", BLACK + np.full((40, 60), 999))
    (tmp_path / f"a{suffix}").write_bytes((tmp_path / f"a{suffix}").read_bytes()[:600])
    with pytest.raises(ValueError, match=rf"a\{suffix} can't be read as an image: \w"):
        read_image(tmp_path / f"a{suffix}")
    assert "a." not in "".join(capfd.readouterr())  # LibRaw does not print names, which may have control characters
    with pytest.raises(ValueError, match="files are only read"):
        write_image(tmp_path / f"b{suffix}", np.zeros((8, 8, 3), np.uint16))
