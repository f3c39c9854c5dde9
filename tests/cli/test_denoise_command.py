"""``denoise``: what it writes and says, and what one bad image among others does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run

import scorematching as sm


@pytest.mark.parametrize(
    ("error", "message"), [(RuntimeError("out of memory"), "out of memory"), (MemoryError(), "MemoryError")]
)
def test_an_image_too_large_for_the_memory_stops_no_other(
    error: Exception,
    message: str,
    folder: Path,
    noisy: np.ndarray,
    prior_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sm.write_image(folder / "b.png", noisy)
    results = iter([error, noisy])

    def denoise(*_: object, **__: object) -> np.ndarray:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr("scorematching.cli.denoise_files.denoise", denoise)
    assert run("denoise", folder, "-o", tmp_path / "out", "--prior", prior_file) == 1
    said = capsys.readouterr()
    assert "wrote 1 images" in said.out
    assert f"a.png: {message}" in said.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]


def test_an_image_that_can_not_be_read_does_not_stop_the_training_on_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b.png").write_bytes(b"rubbish")
    sm.write_image(folder / "c.tif", np.full((20, 20), np.nan, np.float32))
    arguments = ("denoise", folder, "-o", tmp_path / "out", "--sigma", 25, "--prior", "self", "--steps", 2)
    assert run(*arguments) == 1
    said = capsys.readouterr()
    assert "wrote 1 images" in said.out
    assert "b.png can't be read" in said.err.replace("\n", " ")
    assert "c.tif: the image has no finite value" in said.err.replace("\n", " ")


def test_an_image_too_small_for_the_prior_is_named(
    folder: Path, noisy: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sm.write_image(folder / "a.png", noisy[:20])
    arguments = ("denoise", folder / "a.png", "-o", tmp_path / "out.png", "--sigma", 25)
    assert run(*arguments) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "pixels is too small: this prior takes 42 or more in width and height; a field of experts" in said
    assert run(*arguments, "--prior", "self", "--steps", 2) == 0


def test_a_folder_is_denoised_to_a_folder(
    folder: Path, noisy: np.ndarray, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image that can't be read is named, and stops no other."""
    out = tmp_path / "out"
    sm.write_image(folder / "b.png", noisy)
    assert run("denoise", folder, "-o", out, "--prior", prior_file) == 0
    assert "wrote 2 images" in capsys.readouterr().out
    (folder / "c.png").write_bytes(b"rubbish")
    (out / "a.png").unlink()
    assert run("denoise", folder, "-o", out, "--prior", prior_file) == 1
    said = capsys.readouterr()
    assert "wrote 2 images" in said.out
    assert "c.png can't be read" in said.err.replace("\n", " ")
    assert {p.name for p in out.iterdir()} == {"a.png", "b.png"}


@pytest.mark.parametrize(("options", "gain"), [(("--prior", "self", "--steps", 60), 4.0), ((), 6.0)])
def test_denoising_by_the_image_itself_and_by_the_shipped_prior(
    noisy_file: Path, photograph: np.ndarray, tmp_path: Path, options: tuple[str | int, ...], gain: float
) -> None:
    assert run("denoise", noisy_file, "-o", tmp_path / "clean.png", "--sigma", 25, *options) == 0
    before, after = sm.read_image(noisy_file), sm.read_image(tmp_path / "clean.png")
    assert sm.psnr(photograph, after, 255) > sm.psnr(photograph, before, 255) + gain


def test_noise_that_is_found_is_told(
    noisy_file: Path, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("denoise", noisy_file, "-o", tmp_path / "out.png", "--prior", prior_file) == 0
    assert "noise found: 2" in capsys.readouterr().out


def test_a_level_far_from_the_priors_is_noted(
    noisy_file: Path, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for sigma, noted in ((25, False), (50, True)):
        assert run("denoise", noisy_file, "-o", tmp_path / "out.png", "--sigma", sigma, "--prior", prior_file) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert ("this prior was trained for noise of 25; for 50 the contrast is rescaled" in said) is noted


def test_a_noise_level_far_above_the_range_is_refused(
    noisy_file: Path, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    assert run("denoise", noisy_file, "-o", out, "--sigma", "1e300", "--prior", prior_file) == 1
    assert "more than 1000 times the range of the image, 255" in capsys.readouterr().err
    assert not out.exists()


def test_self_ensemble_is_another_result(noisy_file: Path, prior_file: Path, tmp_path: Path) -> None:
    results = []
    for options in ((), ("--self-ensemble",)):
        paths = ("-o", tmp_path / "out.png", "--sigma", 25, "--prior", prior_file)
        assert run("denoise", noisy_file, *paths, *options) == 0
        results.append(sm.read_image(tmp_path / "out.png"))
    assert not np.array_equal(*results)
