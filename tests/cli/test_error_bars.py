"""``denoise --std``: error bars of an image and of a stack, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Refusal, run

import scorematching as sm
from scorematching.images import read_metadata, read_pages, write_pages
from scorematching.images.io.metadata import Metadata

GOOD = ("denoise", "IN", "-o", "OUT.png", "--sigma", "25")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (*GOOD, "--prior", "PRIOR", "--std", "STD.png"),
            "--std takes a file that ends in .tif, because error bars are",
        ),
        ((*GOOD, "--prior", "PRIOR", "--std", "none/STD.tif"), "no such folder: none"),
        ((*GOOD, "--prior", "PRIOR", "--std", "LOCKED/STD.tif"), "no permission to write to the folder LOCKED"),
        (("denoise", "STACK.tif", "-o", "OUT.tif", "--std", "OUT.tif"), "OUT.tif is the file of two results"),
        (("denoise", "STACK.tif", "-o", "OUT.tif", "--std", "STACK.tif"), "STACK.tif is an input: choose another"),
        (
            ("denoise", "IN", "EYE.png", "-o", "EMPTY", "--std", "STD.tif"),
            "--std takes one image or stack, got 2 images",
        ),
        (("denoise", "IN", "-o", "OUT.png", "--prior", "none.safetensors", "--std", "STD.tif"), "no such file: none"),
    ],
)
def test_what_is_refused_before_any_work(arguments: tuple[str, ...], message: str, refuse: Refusal) -> None:
    refuse(arguments, message)


@pytest.mark.usefixtures("_no_work_begins")
def test_a_prior_of_clean_images_is_refused(
    noisy_file: Path, clean_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, std = tmp_path / "out.png", tmp_path / "std.tif"
    assert run("denoise", noisy_file, "-o", out, "--sigma", 25, "--prior", clean_file, "--std", std) == 1
    assert "this prior was trained on clean images: leave out return_std (--std)" in capsys.readouterr().err
    assert not out.exists()
    assert not std.exists()


@pytest.fixture
def clean_file(tmp_path: Path) -> Path:
    sm.save_prior(sm.priors.FieldPrior(sm.FieldConfig(filters=8, size=3)), tmp_path / "clean.safetensors")
    return tmp_path / "clean.safetensors"


def test_error_bars_are_those_of_the_function(
    noisy_file: Path, noisy: np.ndarray, prior: sm.Prior, prior_file: Path, tmp_path: Path
) -> None:
    out, std = tmp_path / "out.png", tmp_path / "std.tif"
    assert run("denoise", noisy_file, "-o", out, "--sigma", 25, "--prior", prior_file, "--std", std) == 0
    clean, expected = sm.denoise(noisy, 25, prior, return_std=True)
    np.testing.assert_array_equal(sm.read_image(out), clean)
    found = sm.read_image(std)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert {path.name for path in tmp_path.iterdir()} == {"noisy.png", "prior.safetensors", "out.png", "std.tif"}


def test_a_stack_has_error_bars_page_by_page(noisy: np.ndarray, prior_file: Path, tmp_path: Path) -> None:
    colored = np.dstack([noisy, noisy[::-1], noisy])
    write_pages(tmp_path / "in.tif", [colored, colored[::-1]], Metadata(resolution=(300.0, 300.0)))
    arguments = ("--sigma", 25, "--prior", prior_file, "--std", tmp_path / "std.tif")
    assert run("denoise", tmp_path / "in.tif", "-o", tmp_path / "out.tif", *arguments) == 0
    pages = list(read_pages(tmp_path / "std.tif"))
    assert [(page.shape, page.dtype) for page in pages] == [(colored.shape, np.dtype(np.float32))] * 2
    assert not np.array_equal(*pages)
    assert read_metadata(tmp_path / "std.tif").dpi == (300, 300)


def test_nothing_is_written_if_denoising_fails(
    noisy_file: Path, prior_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no more")

    monkeypatch.setattr("scorematching.cli.denoise_files.denoise", fail)
    before = set(tmp_path.iterdir())
    arguments = ("-o", tmp_path / "out.png", "--sigma", 25, "--prior", prior_file, "--std", tmp_path / "std.tif")
    assert run("denoise", noisy_file, *arguments) == 1
    assert set(tmp_path.iterdir()) == before
