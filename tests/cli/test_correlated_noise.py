"""Correlated noise from end to end: measured in a blank image, trained on, shown and removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run
from small_models import FIELD_OPTIONS, as_bytes

import scorematching as sm

NOISE = sm.CorrelatedNoise(20**2 * np.outer([0.5, 1.0, 0.5], [0.5, 1.0, 0.5]))


def words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fine pattern with correlated noise, the pattern, and a blank image with the same noise."""
    rows, columns = np.mgrid[:96, :120]
    pattern = np.where(np.sin(1.1 * columns + 0.3 * rows + 2 * np.sin(rows / 15)) > 0, 170.0, 80.0)
    sm.write_image(tmp_path / "clean.png", as_bytes(pattern))
    sm.write_image(tmp_path / "noisy.png", as_bytes(NOISE.simulate(pattern, 1)))
    sm.write_image(tmp_path / "blank.png", as_bytes(NOISE.simulate(np.full((160, 160), 120.0), 2)))
    return tmp_path


@pytest.fixture
def noise_file(folder: Path) -> Path:
    assert run("noise", folder / "blank.png", "--blank", "--json", folder / "noise.json") == 0
    return folder / "noise.json"


def test_a_blank_image_has_the_noise(folder: Path, noise_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = sm.noise.from_record(json.loads(noise_file.read_text())[0]["noise"])
    assert isinstance(found, sm.CorrelatedNoise)
    assert found.sigma == pytest.approx(20, rel=0.05)
    assert found.neighbors == pytest.approx(0.5, abs=0.05)
    assert run("noise", folder / "blank.png", "--blank", "--frames") == 1
    assert "--blank takes one image" in capsys.readouterr().err


def test_a_prior_is_fitted_shown_and_used(folder: Path, noise_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prior = folder / "p.safetensors"
    arguments = ("--noisy", "--noise", noise_file, *FIELD_OPTIONS, "--steps", 40)
    assert run("fit", folder / "noisy.png", "-o", prior, *arguments) == 0
    assert "expected PSNR" in words(capsys)
    assert run("show", prior, "-o", folder / "p.png", "--steps", 0, "--image", folder / "noisy.png") == 0
    assert "correlation of neighbors 0." in (said := words(capsys))
    assert "pixels apart" in said
    assert run("denoise", folder / "noisy.png", "-o", folder / "out.png", "--prior", prior) == 0
    clean, noisy, out = (sm.read_image(folder / f"{name}.png") for name in ("clean", "noisy", "out"))
    assert sm.psnr(clean, out) > sm.psnr(clean, noisy) + 0.5


def test_a_prior_of_the_image_itself_beats_one_of_white_noise(
    folder: Path, noise_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, noise in (("metric", ("--noise", noise_file)), ("white", ("--sigma", 20))):
        arguments = ("--prior", "self", "--steps", 40, *noise)
        assert run("denoise", folder / "noisy.png", "-o", folder / f"{name}.png", *arguments) == 0
    clean, metric, white = (sm.read_image(folder / f"{name}.png") for name in ("clean", "metric", "white"))
    assert sm.psnr(clean, metric) > sm.psnr(clean, white) + 1


def _nested(depth: int) -> str:
    """Return JSON of a noise model whose level is a noise model, and so on."""
    return '[{"noise": ' + depth * '{"model": "GaussianNoise", "sigma": ' + "3" + depth * "}" + "}]"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("rubbish", (), "is not JSON: write it by scorematching noise --json"),
        ("[]", (), "has 0 entries, expected one noise"),
        ("{}", (), "has no list, expected one noise"),
        ('[{"noise": {"model": "odd"}}]', (), "expected the record of a noise model"),
        (_nested(500), (), "noise.json: the record of GaussianNoise has records in records"),
        (None, (), "no such file"),
        ("[]", ("--sigma", 9), "leave out --sigma, --gain and --offset"),
    ],
)
def test_a_file_without_one_noise_is_refused(
    content: str | None,
    options: tuple[Any, ...],
    message: str,
    noisy_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        (tmp_path / "noise.json").write_text(content)
    assert run("denoise", noisy_file, "-o", tmp_path / "o.png", "--noise", tmp_path / "noise.json", *options) == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "o.png").exists()
