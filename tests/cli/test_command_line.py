"""The command line as a user meets it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run

import scorematching as sm


@pytest.fixture
def image(photograph: np.ndarray, tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).normal(0, 25, photograph.shape)
    sm.write_image(tmp_path / "noisy.png", np.rint(np.clip(photograph + noise, 0, 255)).astype(np.uint8))
    return tmp_path / "noisy.png"


@pytest.mark.parametrize("command", ["demo", "fit", "denoise", "upscale", "show", "check"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    text = capsys.readouterr().out
    assert "Usage" in text
    assert len(text.splitlines()) > 8
    if command == "denoise":
        assert all(said in text for said in ("0-255", "resolution, color profiles"))  # not broken by the source's lines


def test_fit_denoise_upscale_show(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prior, clean, large, drawn = (tmp_path / n for n in ("p.safetensors", "clean.png", "large.tif", "p.png"))
    sizes = ("--size", 3, "--filters", 8, "--steps", 20)
    assert run("fit", image, "-o", prior, "--noisy", "--sigma", 25, *sizes) == 0
    assert "best held-out loss" in capsys.readouterr().out.replace("\n", " ")
    assert run("denoise", image, "-o", clean, "--sigma", 25, "--prior", prior) == 0
    assert run("upscale", clean, "-o", large, "--factor", 2, "--prior", prior) == 0
    assert run("show", prior, "-o", drawn, "--image", clean, "--steps", 2) == 0
    assert "8, of 3 x 3 pixels" in capsys.readouterr().out
    noisy = sm.read_image(image)
    assert sm.read_image(clean).shape == noisy.shape
    assert sm.read_image(large).shape == (2 * noisy.shape[0], 2 * noisy.shape[1])
    assert sm.read_image(drawn).shape[2] in (3, 4)
    assert {p.name for p in tmp_path.iterdir()} == {"noisy.png", "p.safetensors", "clean.png", "large.tif", "p.png"}


@pytest.mark.parametrize("known", [False, True])
def test_fit_says_where_bfloat16_is_slow(
    known: bool, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"amx_bf16": known, "avx2": True})
    sizes = ("--model", "deep", "--filters", 4, "--depth", 2, "--steps", 2, "--crop", 24, "--sigma", 25, "--noisy")
    assert run("fit", image, "-o", tmp_path / "p.safetensors", "--bfloat16", *sizes) == 0
    assert ("does not know bfloat16" in capsys.readouterr().out) is not known


def test_a_deep_prior_of_noise_that_is_found(
    image: Path, photograph: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The level is estimated, for the prior and for the image; where there is a clean one the truth is told."""
    (tmp_path / "clean").mkdir()
    sm.write_image(tmp_path / "clean" / "it.png", photograph)
    prior, out = tmp_path / "p.safetensors", tmp_path / "out.png"
    sizes = ("--model", "deep", "--filters", 4, "--depth", 2, "--steps", 5, "--crop", 24)
    assert run("fit", image, "-o", prior, "--noisy", "--clean", tmp_path / "clean", *sizes) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert "noise levels found" in said
    assert "by the clean images" in said
    assert run("denoise", image, "-o", out, "--prior", prior) == 0
    assert "noise found: 2" in capsys.readouterr().out
    assert run("show", prior, "--steps", 1) == 0
    assert "2 layers of 4 channels" in capsys.readouterr().out


def test_a_folder_is_denoised_to_a_folder(
    image: Path, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image that can't be read is named, and stops no other."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(image.read_bytes())
    assert run("denoise", folder, "-o", out, "--prior", prior_file) == 0
    assert "wrote 2 images" in capsys.readouterr().out
    (folder / "c.png").write_bytes(b"rubbish")
    (out / "a.png").unlink()
    assert run("denoise", folder, "-o", out, "--prior", prior_file) == 1
    said = capsys.readouterr()
    assert "wrote 2 images" in said.out
    assert "c.png can't be read" in said.err.replace("\n", " ")
    assert {p.name for p in out.iterdir()} == {"a.png", "b.png"}


def test_inpaint_and_deblur(image: Path, prior_file: Path, photograph: np.ndarray, tmp_path: Path) -> None:
    holes, kernel = np.zeros(photograph.shape, np.uint8), np.zeros((5, 5), np.uint8)
    holes[20:30, 40:50], kernel[2, 1:4] = 255, 80
    sm.write_image(tmp_path / "holes.png", holes)
    sm.write_image(tmp_path / "kernel.png", kernel)
    outs = [tmp_path / f"{i}.png" for i in range(3)]
    assert run("inpaint", image, "--mask", tmp_path / "holes.png", "-o", outs[0], "--prior", prior_file) == 0
    deblur = ("deblur", image, "--prior", prior_file, "--sigma", 25)
    assert run(*deblur, "--blur", 1, "-o", outs[1]) == 0
    assert run(*deblur, "--kernel", tmp_path / "kernel.png", "-o", outs[2]) == 0
    assert all(sm.read_image(out).shape == photograph.shape for out in outs)


def test_show_writes_beside_nothing_else(prior_file: Path, tmp_path: Path) -> None:
    photograph = tmp_path / "prior.png"
    photograph.write_bytes(b"mine")
    assert run("show", prior_file, "--steps", 0) == 0
    assert photograph.read_bytes() == b"mine"
    assert (tmp_path / "prior.safetensors.png").exists()


def test_a_shipped_prior_is_shown_by_its_name(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("show", "natural-gray", "--image", image, "--steps", 1) == 0
    assert {p.name for p in tmp_path.iterdir()} == {"noisy.png", "natural-gray.png"}


def test_an_interrupted_fit_says_how_to_go_on(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scorematching.training.trainer.SECONDS_BETWEEN_SAVES", 0.0)
    arguments = (
        "fit",
        image,
        "-o",
        tmp_path / "p.safetensors",
        "--sigma",
        25,
        "--steps",
        20,
        "--size",
        3,
        "--filters",
        4,
    )
    steps = 0

    def interrupt(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 12:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("scorematching.training.descent.clip_grad_norm_", interrupt)
        assert run(*arguments) == 130
    assert "the same command goes on from" in capsys.readouterr().err
    assert run(*arguments) == 0
    assert "going on from" in capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {"noisy.png", "p.safetensors"}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == sm.__version__


@pytest.mark.parametrize(("options", "gain"), [(("--prior", "self", "--steps", 60), 4.0), ((), 6.0)])
def test_denoising_by_the_image_itself_and_by_the_shipped_prior(
    image: Path, photograph: np.ndarray, tmp_path: Path, options: tuple[str | int, ...], gain: float
) -> None:
    assert run("denoise", image, "-o", tmp_path / "clean.png", "--sigma", 25, *options) == 0
    before, after = sm.read_image(image), sm.read_image(tmp_path / "clean.png")
    assert sm.psnr(photograph, after, 255) > sm.psnr(photograph, before, 255) + gain


def test_a_short_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "-o", tmp_path / "out", "--steps", 3) == 0
    text = capsys.readouterr().out
    for name in ("total variation", "non-local means", "bicubic", "scorematching"):
        assert name in text
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"prior.safetensors", "prior.png", "loss.png", "denoised.png", "enlarged.png"} <= written


def test_check_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check") == 0
    assert "cases agree with automatic differentiation" in capsys.readouterr().out


BAD = {
    "no file": (("denoise", "none.png", "-o", "OUT.png", "--sigma", "25"), "no such file or folder: none.png"),
    "bad file": (("denoise", "BAD.png", "-o", "OUT.png", "--sigma", "25"), "can't be read as an image"),
    "no folder": (("denoise", "IN", "-o", "none/OUT.png", "--sigma", "25"), "no such folder: none"),
    "negative sigma": (("denoise", "IN", "-o", "OUT.png", "--sigma", "-25"), "positive number, got -25"),
    "NaN sigma": (("denoise", "IN", "-o", "OUT.png", "--sigma", "nan"), "positive number, got nan"),
    "no gain": (("denoise", "IN", "-o", "OUT.png", "--gain", "0"), "gain must be a positive number, got 0.0"),
    "bright offset": (
        ("denoise", "IN", "-o", "OUT.png", "--gain", "2", "--offset", "300", "--prior", "PRIOR"),
        "offset must lie below white, 255, got 300",
    ),
    "offset alone": (("denoise", "IN", "-o", "OUT.png", "--offset", "9"), "give the gain too, got offset 9"),
    "fit: gain": (("fit", "IN", "-o", "OUT.safetensors", "--gain", "2"), "for images that are noisy already"),
    "no number": (("denoise", "IN", "-o", "OUT.png", "--sigma", "much"), "Invalid value for '--sigma'"),
    "no noise": (("denoise", "FLAT.png", "-o", "OUT.png"), "no noise was found in FLAT.png: give --sigma"),
    "onto itself": (("denoise", "IN", "-o", "IN", "--sigma", "25"), "is the input"),
    "no kind": (("denoise", "IN", "-o", "OUT.gif", "--sigma", "25"), "ends in .png"),
    "no prior": (("denoise", "IN", "-o", "OUT.png", "--sigma", "25", "--prior", "none"), "no such file: none"),
    "bad prior": (("denoise", "IN", "-o", "OUT.png", "--sigma", "25", "--prior", "BAD.png"), "not a safetensors file"),
    "no device": (("denoise", "IN", "-o", "OUT.png", "--sigma", "25", "--device", "abacus"), "no device 'abacus' here"),
    "small factor": (("upscale", "IN", "-o", "OUT.png", "--factor", "1"), "Invalid value for '--factor'"),
    "fit: no images": (("fit", "EMPTY", "-o", "OUT.safetensors"), "no image"),
    "fit: no noise": (("fit", "FLAT.png", "-o", "OUT.safetensors", "--noisy"), "the noise level was found to be 0"),
    "fit: no folder": (("fit", "IN", "-o", "none/OUT.safetensors"), "no such folder: none"),
    "fit: model": (
        ("fit", "IN", "-o", "OUT.safetensors", "--model", "gan"),
        "--model must be 'foe', 'pot' or 'deep', got 'gan'",
    ),
    "steps of nothing": (
        ("upscale", "IN", "-o", "OUT.png", "--steps", "9"),
        "--steps is for learning from the image",
    ),
    "show: no prior": (("show", "BAD.png"), "not a safetensors file"),
    "show: no such prior": (("show", "none"), "no such file: none"),
    "show: no image": (("show", "PRIOR", "--image", "none.png"), "no such file: none.png"),
    "show: onto the image": (("show", "PRIOR", "--image", "IN", "-o", "IN"), "is an input: choose another"),
    "show: small": (("show", "natural-gray", "--image", "SMALL.png"), "pixels are too few: this prior takes 42"),
    "show: steps": (("show", "PRIOR", "--steps", "-1"), "Invalid value for '--steps'"),
    "show: ending": (("show", "PRIOR", "-o", "OUT.txt"), "ends in .png"),
    "demo: a file": (("demo", "-o", "BAD.png"), "is a file, expected a folder"),
    "onto a folder": (("upscale", "IN", "-o", "FOLDER.png"), "FOLDER.png is a folder"),
    "many into one": (("denoise", "IN", "SMALL.png", "-o", "OUT.png", "--sigma", "25"), "OUT.png is a file's name"),
    "onto themselves": (("denoise", ".", "-o", ".", "--sigma", "25"), "is the input"),
    "huge sigma": (("denoise", "IN", "-o", "OUT.png", "--sigma", "1e300", "--prior", "PRIOR"), "NaN or infinite"),
    "huge factor": (("upscale", "IN", "-o", "OUT.png", "--factor", "100000"), "Invalid value for '--factor'"),
    "no such device": (("denoise", "IN", "-o", "OUT.png", "--sigma", "25", "--device", "meta"), "no device 'meta'"),
    "white": (("denoise", "IN", "-o", "OUT.png", "--sigma", "25", "--white", "0"), "must be a positive number"),
    "fit: onto an image": (("fit", "IN", "-o", "IN"), "ends in .safetensors"),
    "fit: small": (("fit", "SMALL.png", "-o", "OUT.safetensors", "--sigma", "9"), "4 rows is too small to fit to"),
    "fit: huge": (("fit", "IN", "-o", "OUT.safetensors", "--sigma", "9", "--size", "1000"), "size must be a whole"),
    "inpaint: mask": (
        ("inpaint", "IN", "--mask", "EYE.png", "-o", "OUT.png", "--prior", "PRIOR"),
        "the mask is (4, 4)",
    ),
    "inpaint: all": (
        ("inpaint", "IN", "--mask", "WHITE.png", "-o", "OUT.png", "--prior", "PRIOR"),
        "pixel that is known",
    ),
    "deblur: none": (("deblur", "IN", "-o", "OUT.png", "--prior", "PRIOR"), "one of --blur and --kernel"),
    "deblur: even": (
        ("deblur", "IN", "-o", "OUT.png", "--prior", "PRIOR", "--kernel", "WHITE.png"),
        "odd sides, got shape (40, 40)",
    ),
    "deblur: black": (("deblur", "IN", "-o", "OUT.png", "--prior", "PRIOR", "--kernel", "SMALL.png"), "is black"),
    "report: ending": (("denoise", "IN", "-o", "OUT.png", "--report", "OUT.png"), "ends in .html"),
    "report: reference": (
        ("denoise", "IN", "-o", "OUT.png", "--report", "OUT.html", "--reference", "SMALL.png"),
        "the reference is (4, 4), the image is (96, 120)",
    ),
    "no report": (("denoise", "IN", "-o", "OUT.png", "--reference", "SMALL.png"), "is for the page of --report"),
    "no command": (("paint",), "No such command 'paint'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_ends_in_one_line(
    name: str,
    image: Path,
    prior_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "BAD.png").write_bytes(b"rubbish")
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FOLDER.png").mkdir()
    sm.write_image(tmp_path / "SMALL.png", np.zeros((4, 4), np.uint8))
    sm.write_image(tmp_path / "EYE.png", 255 * np.eye(4, dtype=np.uint8))
    sm.write_image(tmp_path / "FLAT.png", np.zeros((40, 40), np.uint8))
    sm.write_image(tmp_path / "WHITE.png", np.full((40, 40), 255, np.uint8))
    arguments, message = BAD[name]
    names = {"IN": image.name, "PRIOR": prior_file.name}
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    assert run(*(names.get(a, a) for a in arguments)) != 0
    said = capsys.readouterr().err
    assert message in said.replace("\n", " ")
    assert said.count("\n") == 1
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
