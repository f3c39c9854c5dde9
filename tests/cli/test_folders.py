"""Folders of images: several at once, interrupted and gone on with, and errors named at the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run
from simulated import noisy_uint8

import scorematching as sm
from scorematching.cli import denoise_files


@pytest.fixture
def scans(photograph: np.ndarray, tmp_path: Path) -> Path:
    """A folder with four noisy images and a damaged one."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for k in range(4):
        sm.write_image(folder / f"{k}.png", noisy_uint8(photograph[10 * k : 10 * k + 60, :80], 20))
    (folder / "bad.png").write_bytes(b"rubbish")
    return folder


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_two_processes_give_the_files_of_one(scans: Path, tmp_path: Path, prior_file: Path, capsys) -> None:
    command = ("denoise", scans, "--sigma", 20, "--prior", prior_file, "-o")
    for folder, options in (("one", ()), ("two", ("--workers", 2))):
        assert run(*command, tmp_path / folder, *options) == 1
        said = capsys.readouterr()
        assert f"wrote 4 images to {tmp_path / folder}/" in said.out
        assert said.err.count("error:") == 1
        assert "bad.png can't be read as an image" in said.err
    assert results(tmp_path / "one") == results(tmp_path / "two")
    assert list(results(tmp_path / "one")) == ["0.png", "1.png", "2.png", "3.png"]


def test_an_interrupted_run_goes_on(scans: Path, tmp_path: Path, prior_file: Path, monkeypatch, capsys) -> None:
    (scans / "bad.png").unlink()
    command = ("denoise", scans, "--sigma", 20, "--prior", prior_file, "-o", tmp_path / "out")
    calls, own = [], denoise_files.denoise

    def dying(*arguments, **options):
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return own(*arguments, **options)

    monkeypatch.setattr(denoise_files, "denoise", dying)
    assert run(*command) != 0
    assert sorted(results(tmp_path / "out")) == [".denoise.journal", "0.png", "1.png"]
    assert "the same command with --resume does only the rest" in capsys.readouterr().err
    assert run(*command) == 1
    assert "is left from an interrupted run: pass --resume" in capsys.readouterr().err
    assert run(*command, "--resume") == 0
    assert len(calls) == 5
    assert sorted(results(tmp_path / "out")) == ["0.png", "1.png", "2.png", "3.png"]
    assert "wrote 4 images" in capsys.readouterr().out


def test_one_image_takes_no_workers(scans: Path, tmp_path: Path, capsys) -> None:
    for options in (("--workers", 2), ("--resume",)):
        assert run("denoise", scans / "0.png", "-o", tmp_path / "out.png", *options) == 1
        assert "are for a folder of results or for a Zarr array" in capsys.readouterr().err


def test_results_that_are_gone_or_of_other_images_are_done_again(
    scans: Path, tmp_path: Path, prior_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scans / "bad.png").unlink()
    command = ("denoise", scans, "--sigma", 20, "--prior", prior_file, "-o", tmp_path / "out")
    assert run(*command) == 0
    whole = results(tmp_path / "out")
    calls, own = [], denoise_files.denoise

    def dying(*arguments, **options):
        calls.append(0)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return own(*arguments, **options)

    monkeypatch.setattr(denoise_files, "denoise", dying)
    assert run(*command) != 0
    (tmp_path / "out" / "0.png").unlink()
    (scans / "1.png").write_bytes((scans / "2.png").read_bytes())
    assert run(*command, "--resume") == 0
    assert len(calls) == 4 + 3
    assert results(tmp_path / "out") == whole | {"1.png": whole["2.png"]}
