"""``denoise --report``: the page on a result, and its reference, which is never written over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run

import scorematching as sm


def test_a_page_on_the_result(folder: Path, prior_file: Path, photograph: np.ndarray, tmp_path: Path) -> None:
    sm.write_image(tmp_path / "truth.png", photograph)
    paths = ("--prior", prior_file, "--report", tmp_path / "it.html", "--reference", tmp_path / "truth.png")
    assert run("denoise", folder / "a.png", "-o", tmp_path / "out.png", *paths) == 0
    page = (tmp_path / "it.html").read_text()
    assert "a.png, denoised" in page
    assert page.count("SSIM") == 2


@pytest.mark.parametrize("given", ["noisy", "noisy/a.png"])
def test_a_page_on_an_image_that_goes_to_a_folder(given: str, folder: Path, prior_file: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "out", tmp_path / "it.html"
    assert run("denoise", tmp_path / given, "-o", out, "--prior", prior_file, "--report", page) == 0
    assert [path.name for path in out.iterdir()] == ["a.png"]
    assert "a.png, denoised" in page.read_text()


@pytest.mark.parametrize("output", ["clean", "clean/a.png"])
@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_a_reference_is_never_written_over(
    output: str,
    options: tuple[str, ...],
    folder: Path,
    photograph: np.ndarray,
    prior_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clean, page = tmp_path / "clean" / "a.png", tmp_path / "it.html"
    clean.parent.mkdir()
    sm.write_image(clean, photograph)
    paths = ("--prior", prior_file, "--report", page, "--reference", clean)
    assert run("denoise", folder / "a.png", "-o", tmp_path / output, *paths, *options) == 1
    assert "clean/a.png is an input" in capsys.readouterr().err.replace("\n", "")
    np.testing.assert_array_equal(sm.read_image(clean), photograph)
    assert not page.exists()
