"""``--gain``, ``--offset`` and ``--sigma`` of low light, and a page on the result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run

import scorematching as sm

NOISE = ("--gain", 20, "--offset", 100, "--white", 355)


@pytest.fixture
def dark(photograph: np.ndarray, tmp_path: Path) -> Path:
    """An image of few photons, uint16."""
    counts = np.random.default_rng(0).poisson(photograph / 20.0)
    sm.write_image(tmp_path / "dark.tif", (100 + 20 * counts).astype(np.uint16))
    return tmp_path / "dark.tif"


def words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_an_image_is_denoised_by_a_prior_of_itself(
    dark: Path, photograph: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "clean.tif", tmp_path / "it.html"
    assert run("denoise", dark, "-o", out, *NOISE, "--prior", "self", "--steps", 60, "--report", page) == 0
    assert "noise given: gain 20, read noise 0, offset 100" in words(capsys)
    assert "gain 20, read noise 0, offset 100, white is 355" in page.read_text()
    noisy, clean = sm.read_image(dark), sm.read_image(out)
    assert sm.psnr(photograph + 100.0, clean, 355) > sm.psnr(photograph + 100.0, noisy, 355) + 5


def test_the_level_of_a_prior_is_compared_with_that_of_the_stabilized_image(
    dark: Path, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("denoise", dark, "-o", tmp_path / "clean.tif", *NOISE, "--prior", prior_file) == 0
    assert "for 59 of the stabilized image (white: 355) the contrast is rescaled" in words(capsys)


def test_a_prior_is_fitted_to_the_stabilized_image(
    dark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fit", dark, "-o", tmp_path / "p.safetensors", "--noisy", *NOISE, "--steps", 2, "--crop", 24) == 0
    said = words(capsys)
    assert "held-out noisy images, stabilized" in said
    assert "noise levels found" not in said
