"""Color images and priors on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run
from simulated import color_photograph, noisy_uint8, small_color_prior

import scorematching as sm
from scorematching.images import read_pages, write_pages


def test_each_image_of_a_folder_gets_the_prior_that_suits_it(tmp_path: Path) -> None:
    """Color, gray, gray stored as color, and color with alpha; and the pages of a stack."""
    noisy = noisy_uint8(color_photograph(), 15)
    gray, alpha = np.repeat(noisy[..., :1], 3, axis=2), np.full_like(noisy[..., :1], 77)
    kinds = {"c.png": noisy, "g.png": noisy[..., 0], "s.png": gray, "a.png": np.dstack([noisy, alpha])}
    (tmp_path / "in").mkdir()
    for name, image in kinds.items():
        sm.write_image(tmp_path / "in" / name, image)
    write_pages(tmp_path / "in" / "t.tif", iter([noisy, gray]))
    assert run("denoise", tmp_path / "in", "-o", tmp_path / "out", "--sigma", 15) == 0
    found = {name: sm.read_image(tmp_path / "out" / name) for name in kinds}
    color, plain = (sm.denoise(noisy, 15, f"natural-{name}") for name in ("color", "gray"))
    assert not np.array_equal(color, plain)
    np.testing.assert_array_equal(found["c.png"], color)
    np.testing.assert_array_equal(found["a.png"], np.dstack([color, alpha]))
    np.testing.assert_array_equal(found["s.png"], np.repeat(found["g.png"][..., None], 3, axis=2))
    pages = list(read_pages(tmp_path / "out" / "t.tif"))
    np.testing.assert_array_equal(pages[0], color)
    np.testing.assert_array_equal(pages[1], found["s.png"])


def test_a_gray_page_that_is_stored_as_color_suits_the_color_prior(tmp_path: Path) -> None:
    photo = color_photograph()
    sm.save_prior(small_color_prior(), tmp_path / "c.safetensors")
    write_pages(tmp_path / "t.tif", iter([photo, np.repeat(photo[..., :1], 3, axis=2)]))
    options = ("-o", tmp_path / "out.tif", "--sigma", 25, "--prior", tmp_path / "c.safetensors")
    assert run("denoise", tmp_path / "t.tif", *options) == 0
    assert [page.shape for page in read_pages(tmp_path / "out.tif")] == [photo.shape] * 2


def test_a_color_prior_is_fitted_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sm.write_image(tmp_path / "in.png", color_photograph())
    out, options = tmp_path / "p.safetensors", ("--noisy", "--model", "deep", "--filters", 4, "--depth", 2)
    assert run("fit", tmp_path / "in.png", "-o", out, *options, "--color", "--steps", 2, "--crop", 24) == 0
    assert run("show", out, "--steps", 1, "--image", tmp_path / "in.png") == 0
    assert "in red, green and blue" in capsys.readouterr().out
    assert run("show", "natural") == 1
    assert "natural does not name one prior: expected natural-color or natural-gray" in capsys.readouterr().err
