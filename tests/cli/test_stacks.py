"""Commands on stacks, on results that replace their images, and on metadata that pass through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from command_line import run
from image_samples import PAGES
from PIL import Image

import scorematching as sm
from scorematching.images import count_pages, read_metadata, read_pages, write_image, write_pages

#: The pages are noise, not images.
pytestmark = pytest.mark.filterwarnings("ignore:(the result does not explain|what was removed)")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A TIFF of three pages."""
    write_pages(tmp_path / "stack.tif", PAGES)
    return tmp_path / "stack.tif"


def test_every_page_is_denoised(stack: Path, prior: sm.Prior, prior_file: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out.tif"
    assert run("denoise", stack, "-o", out, "--sigma", 25, "--prior", prior_file) == 0
    for page, found in zip(PAGES, read_pages(out), strict=True):
        np.testing.assert_array_equal(found, sm.denoise(page, 25, prior))
    assert run("denoise", stack, "-o", tmp_path / "out.png", "--sigma", 25, "--prior", prior_file) == 1
    assert "store one image, not 3 pages" in capsys.readouterr().err.replace("\n", " ")
    assert run("denoise", stack, "-o", out, "--prior", prior_file, "--report", tmp_path / "r.html") == 1
    assert "for one image; got" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:the noise level is 0")
def test_a_blank_page_stays_as_it_is(stack: Path, prior_file: Path, tmp_path: Path) -> None:
    write_pages(stack, [PAGES[0], np.zeros_like(PAGES[1]), PAGES[2]])
    assert run("denoise", stack, "-o", tmp_path / "out.tif", "--prior", prior_file) == 0
    first, blank, last = read_pages(tmp_path / "out.tif")
    assert not blank.any()
    assert (first != PAGES[0]).any()
    assert (last != PAGES[2]).any()


def test_the_summary_of_a_folder_counts_pages(stack: Path, prior_file: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    stack.rename(folder / "stack.tif")
    write_image(folder / "one.png", PAGES[0])
    assert run("denoise", folder, "-o", tmp_path / "out", "--prior", prior_file, "--sigma", 25) == 0
    said = capsys.readouterr().out
    assert "28 x 24, 3 pages" in said
    assert said.count("pages") == 1
    assert "wrote 2 images" in said


def test_stacks_are_upscaled_inpainted_and_deblurred(stack: Path, prior_file: Path, tmp_path: Path) -> None:
    resolution = {"resolution": (300, 300), "resolutionunit": 2}
    tifffile.imwrite(stack, np.stack(PAGES[:2]), photometric="minisblack", **resolution)
    write_image(tmp_path / "holes.png", np.pad(np.full((4, 4), 255, np.uint8), ((8, 12), (8, 16))))
    outs = [tmp_path / f"{name}.tif" for name in ("large", "whole", "sharp")]
    assert run("upscale", stack, "-o", outs[0], "--prior", prior_file) == 0
    assert run("inpaint", stack, "--mask", tmp_path / "holes.png", "-o", outs[1], "--prior", prior_file) == 0
    assert run("deblur", stack, "--blur", 0.5, "-o", outs[2], "--prior", prior_file) == 0
    shapes = [[page.shape for page in read_pages(out)] for out in outs]
    assert shapes == [[(48, 56)] * 2, [(24, 28)] * 2, [(24, 28)] * 2]
    assert [read_metadata(out).dpi for out in outs] == [(600, 600), (300, 300), (300, 300)]


def test_a_result_replaces_its_image_only_with_overwrite(
    stack: Path, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stack.read_bytes()
    stack.chmod(0o640)
    arguments = ("denoise", stack, "-o", stack, "--sigma", 25, "--prior", prior_file)
    assert run(*arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert stack.read_bytes() == before
    assert run(*arguments, "--overwrite") == 0
    assert count_pages(stack) == 3
    assert stack.stat().st_mode & 0o777 == 0o640
    changed = stack.read_bytes()
    assert changed != before
    assert run("denoise", tmp_path, "-o", tmp_path, "--sigma", 25, "--prior", prior_file) == 1
    assert stack.read_bytes() == changed
    assert run("denoise", tmp_path, "-o", tmp_path, "--sigma", 25, "--prior", prior_file, "--overwrite") == 0
    assert stack.read_bytes() != changed
    assert {p.name for p in tmp_path.iterdir()} == {"stack.tif", "prior.safetensors"}


def test_an_image_is_kept_if_denoising_fails(
    stack: Path, prior_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, calls = stack.read_bytes(), []

    def fail(image: np.ndarray, *_: object, **__: object) -> np.ndarray:
        calls.append(image)
        if len(calls) == 3:
            raise ValueError("no more")
        return image

    monkeypatch.setattr("scorematching.cli.denoise_files.denoise", fail)
    assert run("denoise", stack, "-o", stack, "--sigma", 25, "--prior", prior_file, "--overwrite") == 1
    assert len(calls) == 3
    assert stack.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"stack.tif", "prior.safetensors"}


def test_other_inputs_are_never_overwritten(stack: Path, prior_file: Path, tmp_path: Path, capsys) -> None:
    mask = tmp_path / "holes.tif"
    write_image(mask, np.eye(24, 28, dtype=np.uint8) * 255)
    before = mask.read_bytes()
    assert run("inpaint", stack, "--mask", mask, "-o", mask, "--prior", prior_file, "--overwrite") == 1
    assert "is an input" in capsys.readouterr().err
    assert mask.read_bytes() == before


def test_the_report_shows_the_image_before_it_is_replaced(prior_file: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", PAGES[0])
    write_image(tmp_path / "b.png", PAGES[0])
    for name, options in (("a", ("--overwrite",)), ("b", ())):
        out = tmp_path / ("a.png" if name == "a" else "c.png")
        arguments = (tmp_path / f"{name}.png", "-o", out, "--prior", prior_file, "--report", tmp_path / f"{name}.html")
        assert run("denoise", *arguments, *options) == 0
    pages = [(tmp_path / f"{name}.html").read_text().replace(f"{name}.png", "it") for name in ("a", "b")]
    assert pages[0] == pages[1]


def test_exif_orientation_and_profile_pass_through_a_command(prior_file: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(PAGES[0]).save(tmp_path / "a.jpg", exif=exif, icc_profile=b"profile")
    assert run("denoise", tmp_path / "a.jpg", "-o", tmp_path / "b.jpg", "--sigma", 25, "--prior", prior_file) == 0
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.size == (24, 28)
        assert image.getexif()[0x0112] == 1
        assert image.info["icc_profile"] == b"profile"
