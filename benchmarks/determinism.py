"""What is equal to the bit: between runs, numbers of threads, and with compilation."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.runtime.compiling import backend, compiled

#: Threads of the runs that are compared, and whether they are compiled.
_RUNS = ((1, False), (1, False), (2, False), (1, True))


def loss_and_gradient() -> np.ndarray:
    """Gradient of the loss of a product of experts."""
    energy, x = sm.energies.ProductOfStudentT(64, 128), torch.randn(4096, 64)
    sm.score_matching_loss(energy, x).backward()
    return np.concatenate([p.grad.numpy().ravel() for p in energy.parameters() if p.grad is not None])


def field_of_experts() -> np.ndarray:
    """Weights of a field of experts, after 200 steps."""
    return _weights(sm.FieldConfig(), 200)


def deep_prior() -> np.ndarray:
    """Weights of a deep prior, after 60 steps."""
    return _weights(sm.DeepConfig(channels=16, depth=4), 60)


def denoised_image() -> np.ndarray:
    """A photograph with noise, denoised by the default prior."""
    return sm.denoise(_noisy(), noise=25.0)


def noise_found() -> np.ndarray:
    """Level of the noise of a photograph."""
    return np.array([sm.estimate_noise(_noisy()).sigma])


def chains() -> np.ndarray:
    """Samples of a Gaussian by Hamiltonian Monte Carlo."""
    return sm.hmc(sm.energies.Gaussian(8), torch.zeros(64, 8), steps=20, step_size=0.5).x.numpy()


TASKS: tuple[Callable[[], np.ndarray], ...] = (
    loss_and_gradient,
    field_of_experts,
    deep_prior,
    denoised_image,
    noise_found,
    chains,
)


def determinism(
    task: Annotated[list[str] | None, typer.Option("--task", help="Run only these tasks.", show_default="all")] = None,
) -> None:
    """Print what is equal to the bit, and how far the rest differs, relative to its largest value.

    Each run is a process of its own. The last column compares two threads with two threads.
    """
    typer.echo("| | run again | 2 threads | compiled | 2 threads, run again |\n|---|---|---|---|---|")
    for one in TASKS:
        if task and one.__name__ not in task:
            continue
        first, *others = (_run(one.__name__, threads, compile) for threads, compile in _RUNS)
        cells = [compared(first, other) for other in others] + [compared(others[1], _run(one.__name__, 2, False))]
        typer.echo(f"| {(one.__doc__ or '').rstrip('.')} | {' | '.join(cells)} |")


def compared(first: np.ndarray, second: np.ndarray) -> str:
    """Say how two results differ.

    Example:
        >>> compared(np.ones(2), np.ones(2)), compared(np.ones(2), np.array([1, 1.5]))
        ('equal', '5.0e-01')
    """
    if first.tobytes() == second.tobytes():
        return "equal"
    return f"{np.abs(first.astype(float) - second).max() / np.abs(first).max():.1e}"


def _weights(model: sm.FieldConfig | sm.DeepConfig, steps: int) -> np.ndarray:
    result = sm.fit(
        [_noisy()], noise=25.0, model=model, training=sm.TrainingConfig(steps=steps, compile=bool(backend()))
    )
    return np.concatenate([t.numpy().ravel() for t in result.prior.state_dict().values()])


def _noisy() -> np.ndarray:
    clean = 255 * held_out_photograph("camera")[:256, :256]
    return np.clip(np.rint(clean + np.random.default_rng(0).normal(0, 25, clean.shape)), 0, 255).astype(np.uint8)


def _run(task: str, threads: int, compile: bool) -> np.ndarray:
    """Return the result of a task, computed in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.npy"
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        code = "from benchmarks.determinism import save; import sys; save(*sys.argv[1:])"
        words = [sys.executable, "-c", code, task, str(file), "compile" if compile else ""]
        subprocess.run(words, env=environment, check=True)
        return np.load(file)


def save(task: str, file: str, compile: str) -> None:
    """Save the result of a task to a file, computed with or without compilation."""
    torch.manual_seed(0)
    with compiled(enabled=bool(compile)):
        np.save(file, next(one for one in TASKS if one.__name__ == task)())
