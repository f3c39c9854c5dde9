"""``scorematching noise`` describes the noise of images, and ``denoise --json`` what was removed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run

import scorematching as sm


def test_a_table_a_record_and_a_plot(noisy_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = ("--json", tmp_path / "noise.json", "--plot", tmp_path / "noise.png")
    assert run("noise", noisy_file, "--prior", "natural-gray-small", *paths) == 0
    assert "sigma" in capsys.readouterr().out
    (record,) = json.loads((tmp_path / "noise.json").read_text())
    assert record["noise"]["sigma"] == pytest.approx(25, rel=0.1)
    assert (tmp_path / "noise.png").stat().st_size > 1000


@pytest.mark.filterwarnings("default:the noise that was found is correlated")
def test_correlated_noise_is_described(
    photograph: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 3
    noisy = sm.CorrelatedNoise(100 * np.outer(row, row)).simulate(np.full((256, 256), 128.0))
    sm.write_image(tmp_path / "noisy.png", np.rint(noisy).astype(np.uint8))
    assert run("noise", tmp_path / "noisy.png", "--plot", tmp_path / "noise.png") == 0
    printed = capsys.readouterr()
    assert "correlation of neighbors" in " ".join(printed.out.split())
    assert "note: the noise that was found is correlated" in printed.err


def test_frames_tell_gain_offset_and_read_noise(tmp_path: Path) -> None:
    from scorematching.images.io.files import write_pages

    scene, noise = np.tile(np.linspace(110, 250, 96), (96, 1)), sm.PoissonGaussianNoise(2.0, 100.0, 4.0)
    for name, clean in {"movie": scene, "dark": np.full_like(scene, 100)}.items():
        pages = [noise.simulate(clean, seed).astype(np.float32) for seed in range(10)]
        write_pages(tmp_path / f"{name}.tif", pages)
    paths = ("--frames", "--dark", tmp_path / "dark.tif", "--json", tmp_path / "it.json")
    assert run("noise", tmp_path / "movie.tif", *paths) == 0
    (record,) = json.loads((tmp_path / "it.json").read_text())
    found, errors = record["noise"], record["standard_errors"]
    for name, true in {"gain": 2.0, "offset": 100.0, "sigma": 4.0}.items():
        assert abs(found[name] - true) < 4 * errors[name]
    assert run("noise", tmp_path / "movie.tif", "--dark", tmp_path / "dark.tif") == 1


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_a_file_that_cannot_be_written_is_refused(option: str, noisy_file: Path, tmp_path: Path) -> None:
    before = noisy_file.read_bytes()
    assert run("noise", noisy_file, option, noisy_file) == 1
    assert run("noise", noisy_file, option, tmp_path / "none" / "out.png") == 1
    assert noisy_file.read_bytes() == before


def test_a_small_image_does_not_stop_the_others(
    noisy_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sm.write_image(tmp_path / "tiny.png", np.arange(25, dtype=np.uint8).reshape(5, 5))
    assert run("noise", noisy_file, tmp_path / "tiny.png", "--prior", "natural-gray-small") == 0
    assert "tiny.png" in capsys.readouterr().out


def test_missing_pixels_are_described_and_drawn(photograph: np.ndarray, tmp_path: Path) -> None:
    image = sm.GaussianNoise(0.1).simulate(photograph / 255).astype(np.float32)
    image[:4, :4] = np.nan
    sm.write_image(tmp_path / "nan.tif", image)
    assert run("noise", tmp_path / "nan.tif", "--plot", tmp_path / "noise.png") == 0
    paths = ("-o", tmp_path / "clean.tif", "--report", tmp_path / "it.html", "--json", tmp_path / "it.json")
    assert run("denoise", tmp_path / "nan.tif", *paths) == 0
    assert np.isnan(sm.read_image(tmp_path / "clean.tif")).sum() == 16


def test_certificates_of_a_stack(noisy: np.ndarray, prior_file: Path, tmp_path: Path) -> None:
    from scorematching.images.io.files import write_pages

    write_pages(tmp_path / "stack.tif", [noisy, noisy])
    paths = ("-o", tmp_path / "clean.tif", "--prior", prior_file, "--sigma", 25, "--json", tmp_path / "it.json")
    assert run("denoise", tmp_path / "stack.tif", *paths) == 0
    record = json.loads((tmp_path / "it.json").read_text())
    assert [page["page"] for page in record["pages"]] == [1, 2]
    assert record["pages"][0]["noise"] == {"model": "GaussianNoise", "sigma": 25.0}
    assert run("denoise", tmp_path / "stack.tif", *paths[:-1], tmp_path / "clean.tif", "--overwrite") == 1


def test_a_damaged_file_does_not_stop_the_others(
    noisy_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad[1].tif").write_bytes(b"not an image")
    record = tmp_path / "noise.json"
    assert run("noise", tmp_path / "bad[1].tif", noisy_file, "--prior", "natural-gray-small", "--json", record) == 1
    assert len(json.loads(record.read_text())) == 1
    assert "bad[1].tif can't be read as an image" in capsys.readouterr().err
