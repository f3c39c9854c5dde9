"""The examples run, and what they show is so."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from examples.gabor import fit_gabor
from examples.regularizer import chosen

NAMES = ("regularizer", "gabor", "denoising", "super_resolution")


def command(name: str) -> Any:
    app = typer.Typer()
    app.command()(importlib.import_module(f"examples.{name}").main)
    return typer.main.get_command(app)


def run(name: str, folder: Path, *options: str) -> Any:
    """What the example found; its image is drawn, and not blank."""
    found = command(name).main(["--quick", "--output", str(folder), *options], standalone_mode=False)
    with Image.open(folder / f"{name}.png") as image:
        assert min(image.size) > 300
        assert np.asarray(image.convert("L")).std() > 20
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_has_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command(name).main(["--help"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--output", "--seed", "--quick"))


def test_without_lambda_the_loss_runs_away_and_with_it_it_is_bounded(tmp_path: Path) -> None:
    few, rounded = run("regularizer", tmp_path, "--samples", "100", "--bits", "4").values()
    for trainings, truth in ((few, "held out"), (rounded, "held out, the truth")):
        free = trainings[0.0]
        assert free["training"][-1] < -4000
        assert free["training"][-1] < free["training"][-2] - 100  # it still falls
        assert free[truth][-1] > 1000
        for lam in (3e-3, 1e-1):
            assert min(trainings[lam]["training"]) > -24 / (4 * lam)
            assert trainings[lam][truth][-1] < trainings[lam][truth][0]
    for trainings, judge, truth in ((few, *["held out"] * 2), (rounded, "held out, with noise", "held out, the truth")):
        best = chosen(trainings, judge)
        assert best > 0
        assert trainings[best][truth][-1] < 0 < trainings[0.0][truth][-1]
    assert rounded[0.0]["held out, quantized"][-1] < -2000  # held-out gray levels do not tell
    assert rounded[0.0]["held out, with noise"][-1] > 1000  # with noise they do


def test_the_filters_are_gabor_functions(tmp_path: Path) -> None:
    share = {name: np.median([g.share for g in some]) for name, some in run("gabor", tmp_path).items()}
    assert share["learned"] > 0.75
    assert share["learned"] > max(share["random"], share["without lambda"]) + 0.25


def test_a_gabor_function_is_found() -> None:
    y, x = np.mgrid[:12, :12] - 5.5
    u, v = 0.6 * (x - 1) + 0.8 * (y + 2), 0.6 * (y + 2) - 0.8 * (x - 1)
    target = np.exp(-0.5 * ((u / 1.5) ** 2 + (v / 2.5) ** 2)) * np.cos(2 * np.pi * 0.2 * u + 0.7)
    found = fit_gabor(target)
    assert found.share > 0.9999
    assert found.frequency == pytest.approx(0.2, rel=1e-2)
    assert found.envelope == pytest.approx((1.5, 2.5), rel=1e-2)


def test_priors_of_noisy_images_denoise(tmp_path: Path) -> None:
    for scores in run("denoising", tmp_path).values():
        psnr = {name: score[0] for name, score in scores.items()}
        assert psnr["field of experts"] > psnr["noisy"] + 2
        assert psnr["natural-gray"] == max(psnr.values())


def test_the_most_probable_large_image_is_better_than_bicubic(tmp_path: Path) -> None:
    for result in run("super_resolution", tmp_path).values():
        assert all(np.diff(result.energy) <= 1e-3)
        assert result.psnr[-1] > result.psnr[0] + 0.2
