"""``demo``: what it says and writes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from command_line import run

import scorematching as sm
from scorematching.images.photographs import held_out_photograph, training_photographs


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of the photographs, and few iterations."""

    def held_out(name: str) -> np.ndarray:
        return held_out_photograph(name)[:96, :120] if name == "chelsea" else held_out_photograph(name)

    pieces = [image[:128, :128] for image in training_photographs()]
    monkeypatch.setattr("scorematching.cli.demonstration.training_photographs", lambda: pieces)
    monkeypatch.setattr("scorematching.cli.demonstration.held_out_photograph", held_out)
    monkeypatch.setattr("scorematching.upscale", partial(sm.upscale, steps=2))


@pytest.mark.usefixtures("_quick")
def test_a_short_demo_compares_and_writes_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "-o", tmp_path / "out", "--steps", 3) == 0
    text = capsys.readouterr().out
    for name in ("total variation", "non-local means", "bicubic", "scorematching"):
        assert name in text
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"prior.safetensors", "prior.png", "loss.png", "denoised.png", "enlarged.png"} <= written
