"""Attacks on trainings: signals, full disks, losses that are not finite, old and damaged states."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import scorematching as sm
from benchmarks.attacks.program import PATIENCE, Attack, check_contract, command

#: A training that lasts some seconds on one core.
_OPTIONS = ("--noisy", "--sigma", "25", "--filters", "8", "--size", "3", "--batch", "4", "--crop", "24", "--no-compile")
_STEPS = ("--steps", "600")


def _image(folder: Path, random: np.random.Generator) -> None:
    """Write a noisy image of stripes."""
    clean = np.broadcast_to(128 + 60 * np.sin(np.arange(96) / 4), (80, 96))
    sm.write_image(folder / "in.png", np.clip(clean + random.normal(0, 25, clean.shape), 0, 255).astype(np.uint8))


def _fit(folder: Path, output: str, *options: str) -> subprocess.CompletedProcess[str]:
    return command(folder, "fit", "in.png", "-o", output, *_OPTIONS, *options)


def _killed(folder: Path, number: signal.Signals, seconds: float, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a training, and send it a signal some seconds after it has locked its checkpoint."""
    words = [sys.executable, "-m", "scorematching", "fit", "in.png", "-o", "killed.safetensors", *_OPTIONS, *options]
    lock = folder / ".killed.safetensors.training.lock"
    lock.unlink(missing_ok=True)  # that of a killed run, which is harmless
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        start = time.monotonic()
        while process.poll() is None and not lock.exists() and time.monotonic() - start < PATIENCE:
            time.sleep(0.05)
        time.sleep(seconds)
        process.send_signal(number)
        said = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(words, process.returncode, *said)


def killed_trainings_resume_with_the_same_bits(folder: Path, random: np.random.Generator) -> None:
    """Kill a training again and again; it ends with the bits of one that was left alone."""
    _image(folder, random)
    assert _fit(folder, "whole.safetensors", *_STEPS).returncode == 0
    for number, status in ((signal.SIGTERM, 143), (signal.SIGKILL, -9), (signal.SIGINT, 130)):
        result = _killed(folder, number, float(random.uniform(0, 3)), *_STEPS, "--resume")
        assert result.returncode in (status, 0), result
        if number != signal.SIGKILL:
            check_contract(result, (0, status))
            assert result.returncode == 0 or "interrupted; " in result.stderr, result
        if result.returncode == 0:
            (folder / "killed.safetensors").unlink()
    result = _fit(folder, "killed.safetensors", *_STEPS, "--resume")
    assert result.returncode == 0, result
    assert (folder / "killed.safetensors").read_bytes() == (folder / "whole.safetensors").read_bytes()
    left = {path.name for path in folder.iterdir()} - {"in.png", "whole.safetensors", "killed.safetensors"}
    assert not left, left


def a_signal_saves_at_once(folder: Path, random: np.random.Generator) -> None:
    """Terminate a training before its first periodic save: it says where its state is."""
    _image(folder, random)
    result = _killed(folder, signal.SIGTERM, 1.0, "--steps", "100000")
    assert result.returncode == 143, result
    assert "--resume continues from" in result.stderr or "nothing was saved yet" in result.stderr, result
    state = folder / "killed.safetensors.training"
    if state.exists():
        before = state.read_bytes()
        again = _fit(folder, "killed.safetensors", "--steps", "100000")
        assert again.returncode == 1, again
        assert "is left from an interrupted training" in again.stderr, again
        other = _fit(folder, "killed.safetensors", "--steps", "50", "--resume")
        assert other.returncode == 1, other
        assert "steps 100000 -> 50" in other.stderr, other
        data = bytearray(before)
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
        state.write_bytes(data)
        damaged = _fit(folder, "killed.safetensors", "--steps", "50", "--resume")
        assert damaged.returncode == 1, damaged
    assert not (folder / "killed.safetensors").exists()


def a_rate_that_is_far_too_high_gives_no_worse_than_the_start(folder: Path, random: np.random.Generator) -> None:
    """Train with absurd rates: notes tell of it, and the prior is no worse than the untrained one."""
    _image(folder, random)
    noisy = sm.read_image(folder / "in.png")
    start = sm.denoise(noisy, 25, sm.priors.build_prior(sm.FieldConfig(8, 3), 25 / 255)).astype(float)
    for rate in ("1e6", "1e30"):
        result = _fit(folder, "p.safetensors", "--steps", "60", "--rate", rate)
        assert result.returncode == 0, result
        assert "Lower rate" in result.stderr, result
        found = sm.denoise(noisy, 25, sm.load_prior(folder / "p.safetensors")).astype(float)
        assert np.isfinite(found).all()
        assert found.std() < 1.2 * start.std() + 1, (found.std(), start.std())


def extreme_pixels_end_in_a_finite_prior_or_one_line(folder: Path, random: np.random.Generator) -> None:
    """Train on images with NaN, infinite and huge pixels."""
    for value in (np.nan, np.inf, -np.inf, 1e30, 1e38):
        image = random.normal(0.5, 0.1, (64, 64)).astype(np.float32)
        image[5:9, 5:9] = value
        np.save(folder / "in.npy", image)
        options = ("--noisy", "--sigma", "0.1", "--white", "1", "--steps", "20", "--filters", "8", "--size", "3")
        result = command(folder, "fit", "in.npy", "-o", "p.safetensors", *options)
        if result.returncode == 0:
            sm.load_prior(folder / "p.safetensors")  # refuses what is not finite


def a_full_disk_does_not_end_a_training(folder: Path, random: np.random.Generator) -> None:
    """Let the files of a process be no larger than the prior, so that no checkpoint can be written."""
    _image(folder, random)
    words = (sys.executable, "-m", "scorematching", "fit", "in.png", "-o", "p.safetensors", *_OPTIONS, "--steps", "100")
    limited = subprocess.run(
        ["bash", "-c", 'ulimit -f 4; exec "$@"', "-", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    check_contract(limited)
    assert limited.returncode == 0, limited
    assert limited.stderr.count("can't be written") == 1, limited
    sm.load_prior(folder / "p.safetensors")
    assert {path.name for path in folder.iterdir()} == {"in.png", "p.safetensors"}


def two_trainings_do_not_write_one_file(folder: Path, random: np.random.Generator) -> None:
    """Start a second training of the same output while the first one runs."""
    _image(folder, random)
    words = [sys.executable, "-m", "scorematching", "fit", "in.png", "-o", "p.safetensors", *_OPTIONS]
    with subprocess.Popen([*words, "--steps", "100000"], cwd=folder, stderr=subprocess.DEVNULL) as first:
        start, lock = time.monotonic(), folder / ".p.safetensors.training.lock"
        while not lock.exists() and time.monotonic() - start < PATIENCE:
            time.sleep(0.05)
        second = _fit(folder, "p.safetensors", "--steps", "50", "--resume")
        first.terminate()
        first.wait(PATIENCE)
    assert second.returncode == 1, second
    assert "is in use: another run writes it" in second.stderr, second


ATTACKS: list[Attack] = [
    killed_trainings_resume_with_the_same_bits,
    a_signal_saves_at_once,
    a_rate_that_is_far_too_high_gives_no_worse_than_the_start,
    extreme_pixels_end_in_a_finite_prior_or_one_line,
    a_full_disk_does_not_end_a_training,
    two_trainings_do_not_write_one_file,
]
