"""Training on several processes: the same steps as one process with all crops, and what a lost process leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from small_models import with_noise

import scorematching as sm
from scorematching.priors import Crops

MODELS = {
    "field": ("--filters", 8, "--size", 3),
    "deep": ("--model", "deep", "--filters", 4, "--depth", 2, "--max-sigma", 60, "--blind"),
    "neighbors": ("--filters", 4, "--size", 3, "--neighbors", 1),
}


def command(processes: int, *arguments: object) -> list[str]:
    """``torchrun`` with a command of this library, or the command alone."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    return [sys.executable, *launch, "-m", "scorematching", *map(str, arguments)]


def started(*arguments: object) -> subprocess.Popen[str]:
    """A command that runs, and whose output is read later."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(*arguments), env=ENVIRONMENT, **pipes)  # type: ignore[call-overload, no-any-return]


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a condition holds, or the process has ended, for 100 seconds at most."""
    deadline = time.monotonic() + 100
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def movie(photograph: np.ndarray, tmp_path: Path) -> Path:
    np.save(tmp_path / "movie.npy", with_noise(np.stack([photograph.astype(np.float32)] * 4), 25))
    return tmp_path / "movie.npy"


def options(name: str, batch: int, steps: int = 12) -> list[object]:
    noise = ("--noisy", "--sigma", 25, "--white", 255)
    return [*noise, "--batch", batch, "--steps", steps, "--crop", 24, "--no-compile", *MODELS[name]]


@pytest.mark.parametrize("name", MODELS)
def test_two_processes_do_the_steps_of_one(name: str, movie: Path, tmp_path: Path) -> None:
    files = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for processes, file in enumerate(files, 1):
        done = subprocess.run(
            command(processes, "fit", movie, "-o", file, *options(name, 6 // processes)),
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("wrote") == 1
    one, two = (sm.load_prior(file).state_dict() for file in files)
    start = sm.priors.build_prior(sm.load_prior(files[0]).config, 25 / 255).state_dict()
    for key, tensor in one.items():
        change = (tensor - start[key]).norm()
        assert (tensor - two[key]).norm() <= 1e-3 * change + 1e-6, key


def test_a_lost_process_ends_the_run_and_leaves_its_state(movie: Path, tmp_path: Path) -> None:
    """The first process says so in one line; one process alone goes on from there."""
    file = tmp_path / "prior.safetensors"
    running = started(2, "fit", movie, "-o", file, *options("field", 3, 100_000))
    checkpoint = tmp_path / "prior.safetensors.training"
    wait_for(checkpoint.exists, running)
    assert checkpoint.exists(), running.communicate(timeout=10)
    psutil.Process(running.pid).children()[-1].kill()
    _, errors = running.communicate(timeout=60)
    assert running.returncode != 0
    said = [line for line in errors.splitlines() if "the same command with --resume continues from" in line]
    assert len(said) == 1, errors
    assert not file.exists()
    before = checkpoint.stat().st_mtime_ns
    again = started(1, "fit", movie, "-o", file, "--resume", *options("field", 6, 100_000))
    wait_for(lambda: checkpoint.stat().st_mtime_ns > before, again)
    again.send_signal(signal.SIGTERM)
    output, errors = again.communicate(timeout=60)
    assert "continuing from" in output, errors
    assert f"interrupted; the same command with --resume continues from {checkpoint}" in errors
    assert again.returncode == 143
    assert checkpoint.stat().st_mtime_ns > before


def test_the_parts_of_a_batch_are_the_batch() -> None:
    pixels, noise = torch.arange(10.0).view(10, 1, 1, 1), torch.arange(10.0)
    batch = Crops(pixels, noise, 100 + pixels[3:])
    parts = [batch.of_process(rank, 3) for rank in range(3)]
    assert sorted(torch.cat([part.pixels for part in parts]).flatten().tolist()) == list(range(10))
    for part in parts:
        assert torch.equal(part.added, 100 + part.pixels[part.own :])
        assert (part.pixels[: part.own] < 3).all()
        assert torch.equal(part.noise, part.pixels.flatten())
    assert batch.of_process(0, 1) is batch
