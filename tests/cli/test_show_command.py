"""``show``: a description and a drawing, beside nothing else; what does not fit is refused before any sampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run
from small_models import DEEP

import scorematching as sm


def words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_field_is_described_and_drawn_with_samples(
    noisy_file: Path, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("show", prior_file, "-o", tmp_path / "p.png", "--image", noisy_file, "--steps", 2) == 0
    said = words(capsys)
    assert "8, of 3 x 3 pixels, student-t, filters free" in said
    assert "sigma 25 on the 0-255 scale" in said
    assert sm.read_image(tmp_path / "p.png").shape[2] in (3, 4)


def test_a_deep_prior_of_many_levels_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    provenance = sm.priors.Provenance("two images [red]", steps=7, seed=3)
    noise = sm.priors.TrainedNoise(10 / 255, 5 / 255, 50 / 255)
    sm.save_prior(sm.priors.DeepPrior(DEEP, noise, provenance), tmp_path / "p.safetensors")
    assert run("show", tmp_path / "p.safetensors", "--steps", 1) == 0
    said = words(capsys)
    assert "2 layers of 8 channels" in said
    assert "sigma 5 to 50 on the 0-255 scale" in said
    assert f"two images [red] training 7 steps, seed 3, scorematching {sm.__version__}" in said


def test_the_drawing_stands_beside_the_prior_and_overwrites_nothing(prior_file: Path, tmp_path: Path) -> None:
    photograph = tmp_path / "prior.png"
    photograph.write_bytes(b"mine")
    assert run("show", prior_file, "--steps", 0) == 0
    assert photograph.read_bytes() == b"mine"
    assert (tmp_path / "prior.safetensors.png").exists()


def test_a_shipped_prior_is_shown_by_its_name(
    noisy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("show", "natural-gray-small", "--image", noisy_file, "--steps", 1) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"noisy.png", "natural-gray-small.png"}


def test_an_image_too_small_is_refused_before_any_sampling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[object] = []
    monkeypatch.setattr("scorematching.sampling.langevin", lambda *_, **__: called.append(_))
    sm.write_image(tmp_path / "small.png", np.zeros((4, 4), np.uint8))
    arguments = ("-o", tmp_path / "out.png", "--image", tmp_path / "small.png")
    assert run("show", "natural-gray", *arguments) == 1
    assert "4 x 4 pixels is too small" in capsys.readouterr().err
    assert called == []
