"""``fit``: the prior it writes, what it says of it, and how it goes on after an interruption."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from small_models import DEEP_OPTIONS, FIELD_OPTIONS

import scorematching as sm
from scorematching.images.io.atomic import whole_file
from scorematching.training.descent import Descent

NOISY = ("--noisy", "--sigma", 25)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "p.safetensors"


def words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_prior_is_written_alone_with_the_options_given(
    noisy_file: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: tuple[object, ...] = ("--steps", 20, "--seed", 3, "--expert", "spline", "--normalize-filters")
    options += ("--octaves", 2, "--average", 0.9, "--patience", 9, "--log", target.with_name("log.jsonl"))
    assert run("fit", noisy_file, "-o", target, *NOISY, *FIELD_OPTIONS, *options) == 0
    said = words(capsys)
    assert f"wrote {target}: best held-out loss" in said
    assert "Stein's estimate" in said
    prior = sm.load_prior(target)
    assert prior.config == sm.FieldConfig(8, 3, octaves=2, expert="spline", normalize_filters=True)
    assert prior.noise == sm.priors.TrainedNoise(25 / 255)
    assert (prior.provenance.steps, prior.provenance.seed) == (20, 3)
    assert {path.name for path in target.parent.iterdir()} == {"noisy.png", "p.safetensors", "log.jsonl"}
    assert len((target.parent / "log.jsonl").read_text().splitlines()) == 11


def test_a_prior_of_clean_images(noisy_file: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", noisy_file, "-o", target, "--steps", 2, "--resume", *FIELD_OPTIONS) == 0
    said = words(capsys)
    assert f"starting anew: there is no {target}.training" in said
    assert "Stein" not in said
    prior = sm.load_prior(target)
    assert (prior.noise, prior.provenance.lam) == (None, 0.2)


def test_a_deep_prior_of_many_levels(noisy_file: Path, target: Path) -> None:
    levels = (*NOISY, "--max-sigma", 50, "--blind")
    assert run("fit", noisy_file, "-o", target, *DEEP_OPTIONS, *levels, "--steps", 2) == 0
    prior = sm.load_prior(target)
    assert prior.config == sm.DeepConfig(channels=4, depth=2)
    assert prior.noise == sm.priors.TrainedNoise(25 / 255, 25 / 255, 50 / 255, blind=True)


def test_levels_that_are_found_are_told_and_the_truth_where_it_is_known(
    noisy_file: Path, photograph: np.ndarray, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = target.parent / "clean"
    clean.mkdir()
    sm.write_image(clean / "it.png", photograph)
    assert run("fit", noisy_file, "-o", target, "--noisy", "--clean", clean, "--steps", 5, *DEEP_OPTIONS) == 0
    said = words(capsys)
    assert "noise levels found: 2" in said
    assert "from the clean images" in said


@pytest.mark.parametrize("known", [False, True])
def test_fit_says_where_bfloat16_is_slow(
    known: bool, noisy_file: Path, target: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"amx_bf16": known, "avx2": True})
    assert run("fit", noisy_file, "-o", target, "--bfloat16", *NOISY, *DEEP_OPTIONS, "--steps", 2) == 0
    assert ("has no native bfloat16 support" in words(capsys)) is not known


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_fit_is_saved_at_once_and_goes_on_with_resume(
    number: int,
    status: int,
    noisy_file: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("fit", noisy_file, "-o", target, *NOISY, "--steps", 20, *FIELD_OPTIONS)
    before, original, steps = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)], Descent.step, 0

    def interrupted(self: Descent) -> bool:
        nonlocal steps
        steps += 1
        if steps == 12:
            signal.raise_signal(number)
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Descent, "step", interrupted)
        assert run(*arguments) == status
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    checkpoint = f"{target}.training"
    assert f"interrupted; the same command with --resume continues from {checkpoint}" in capsys.readouterr().err
    assert run(*arguments) == 1
    assert f"{checkpoint} is left from an interrupted training: pass --resume" in capsys.readouterr().err
    assert run(*arguments, "--resume") == 0
    assert f"continuing from {checkpoint}" in capsys.readouterr().out
    assert {path.name for path in target.parent.iterdir()} == {"noisy.png", "p.safetensors"}


def test_a_full_disk_at_the_end_is_waited_for(
    noisy_file: Path, target: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("fit", noisy_file, "-o", target, *NOISY, "--steps", 2, *FIELD_OPTIONS)
    tries = 0

    def full(prior: sm.Prior, path: Path) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            with whole_file(path):
                raise OSError(errno.ENOSPC, "No space left on device")
        sm.save_prior(prior, path)

    monkeypatch.setattr("scorematching.cli.fit_work.PAUSE", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr("scorematching.cli.fit_work.save_prior", full)
        assert run(*arguments) == 0
    assert capsys.readouterr().err.count("(waiting up to 10 minutes for room)") == 1
    assert sm.load_prior(target).provenance.steps == 2
    tries, target = 0, target.with_name("q.safetensors")
    monkeypatch.setattr("scorematching.cli.fit_work.PATIENCE", 0.0)
    monkeypatch.setattr("scorematching.cli.fit_work.save_prior", full)
    assert run(*arguments[:3], target, *arguments[4:]) == 1
    said = f"{target} can't be written: No space left on device; the same command with --resume continues from"
    assert f"{said} {target}.training" in capsys.readouterr().err
