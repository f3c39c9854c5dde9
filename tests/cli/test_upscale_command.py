"""``upscale``: pages of the factor's size, by a prior of a file or of the image itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run

import scorematching as sm
from scorematching.images import read_pages, write_pages


def test_an_image_is_enlarged_by_a_prior_of_a_file(noisy_file: Path, prior_file: Path, tmp_path: Path) -> None:
    assert run("upscale", noisy_file, "-o", tmp_path / "large.tif", "--factor", 2, "--prior", prior_file) == 0
    small, large = sm.read_image(noisy_file), sm.read_image(tmp_path / "large.tif")
    assert (large.shape, large.dtype) == ((2 * small.shape[0], 2 * small.shape[1]), small.dtype)
    means = large.reshape(small.shape[0], 2, small.shape[1], 2).mean((1, 3))
    assert sm.psnr(small, means, 255) > 25


def test_all_pages_are_enlarged(
    photograph: np.ndarray, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pages(tmp_path / "in.tif", [photograph[:20, :24], photograph[20:40, :24]])
    target = tmp_path / "out.tif"
    assert run("upscale", tmp_path / "in.tif", "-o", target, "--factor", 3, "--prior", prior_file) == 0
    assert [page.shape for page in read_pages(target)] == [(60, 72)] * 2
    assert "72 x 60, 2 pages" in " ".join(capsys.readouterr().out.split())


def test_an_image_is_enlarged_by_a_prior_of_itself(noisy_file: Path, tmp_path: Path) -> None:
    own = ("--prior", "self", "--steps", 2)
    assert run("upscale", noisy_file, "-o", tmp_path / "large.png", "--factor", 2, "--sigma", 25, *own) == 0
    assert sm.read_image(tmp_path / "large.png").shape == (192, 240)
