"""The examples run, show what they claim, and use public names only."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

import scorematching as sm
from examples.gabor import fit_gabor
from examples.regularizer import chosen

FOLDER = Path(__file__).parent.parent / "examples"
NAMES = ("regularizer", "gabor", "denoising", "super_resolution")


def command(name: str) -> Any:
    """Return the command line of an example."""
    app = typer.Typer()
    app.command()(importlib.import_module(f"examples.{name}").main)
    return typer.main.get_command(app)


def run(name: str, folder: Path, *options: str) -> Any:
    """Return the results of an example; its image is drawn, and not blank."""
    found = command(name).main(["--quick", "--output", str(folder), *options], standalone_mode=False)
    with Image.open(folder / f"{name}.png") as image:
        assert min(image.size) > 300
        assert np.asarray(image.convert("L")).std() > 20
    return found


def names_used(source: str) -> Iterator[str]:
    """Paths below ``scorematching`` that a script imports or uses, such as ``images.ssim``."""
    tree, known = ast.parse(source), {"sm": ""}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "scorematching":
            known |= {name.name: f"{node.module}.{name.name}".removeprefix("scorematching.") for name in node.names}
    yield from (path for path in known.values() if path)
    for node in ast.walk(tree):
        path = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        first, _, rest = path.partition(".")
        if first in known and rest.replace(".", "").isidentifier():
            yield f"{known[first]}.{rest}".removeprefix(".")


def is_public(path: str) -> bool:
    """Return whether each name of a path is listed in its module, up to the first one that is no module."""
    place: Any = sm
    for name in path.split("."):
        listed = getattr(place, "__all__", None)
        if name.startswith("_") or (listed is not None and name not in listed):
            return False
        place = getattr(place, name)
        if not isinstance(place, ModuleType):
            break
    return True


@pytest.mark.parametrize("name", NAMES)
def test_only_public_names_are_used(name: str) -> None:
    used = set(names_used((FOLDER / f"{name}.py").read_text("utf-8")))
    assert {"psnr", "fit", "score_matching_loss"} & used
    assert [path for path in sorted(used) if not is_public(path)] == []


def test_private_names_are_found() -> None:
    used = set(names_used("from scorematching.restoration.operators import Identity\nsm.priors.kinds.CONFIGS"))
    assert used == {"restoration.operators.Identity", "priors", "priors.kinds", "priors.kinds.CONFIGS"}
    assert [path for path in used if is_public(path)] == ["priors"]


@pytest.mark.parametrize("name", NAMES)
def test_help_lists_the_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command(name).main(["--help"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--output", "--seed", "--quick"))


@pytest.mark.filterwarnings("ignore::scorematching.losses.RepeatedValuesWarning")  # the example shows why
def test_the_loss_is_unbounded_without_lambda_and_bounded_with_it(tmp_path: Path) -> None:
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


def test_learned_filters_are_gabor_functions(tmp_path: Path) -> None:
    share = {name: np.median([g.share for g in some]) for name, some in run("gabor", tmp_path).items()}
    assert share["learned"] > 0.75
    assert share["learned"] > max(share["random"], share["without lambda"]) + 0.25


def test_the_parameters_of_a_gabor_function_are_found() -> None:
    y, x = np.mgrid[:12, :12] - 5.5
    u, v = 0.6 * (x - 1) + 0.8 * (y + 2), 0.6 * (y + 2) - 0.8 * (x - 1)
    target = np.exp(-0.5 * ((u / 1.5) ** 2 + (v / 2.5) ** 2)) * np.cos(2 * np.pi * 0.2 * u + 0.7)
    found = fit_gabor(target)
    assert found.share > 0.9999
    assert found.frequency == pytest.approx(0.2, rel=1e-2)
    assert found.envelope == pytest.approx((1.5, 2.5), rel=1e-2)


def test_priors_of_noisy_images_denoise_best(tmp_path: Path) -> None:
    for scores in run("denoising", tmp_path).values():
        psnr = {name: score[0] for name, score in scores.items()}
        assert psnr["field of experts"] > psnr["noisy"] + 2
        assert psnr["natural-gray"] == max(psnr.values())


def test_upscaling_by_map_lowers_the_energy_and_beats_bicubic(tmp_path: Path) -> None:
    for result in run("super_resolution", tmp_path).values():
        assert all(np.diff(result.energy) <= 1e-3)
        assert result.psnr[-1] > result.psnr[0] + 0.2
