"""Error, time and memory of each curvature method, on trained energies of several architectures."""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import track

import scorematching as sm
from benchmarks.architectures import ARCHITECTURES, LAM, patches, trained
from benchmarks.machine import forget_peak, machine, peak_memory
from scorematching.cli.console import console
from scorematching.curvature import (
    ApproximationWarning,
    Coloring,
    Curvature,
    CurvaturePropagation,
    DiagonalRecursion,
    ForwardJacobian,
    FullHessian,
    Hutchinson,
    method_named,
)

#: Longest time of a step in seconds. Longer steps are not timed.
LIMIT = 100.0
METHODS: dict[str, Callable[[tuple[int, ...]], Curvature]] = {
    "diagonal": lambda shape: DiagonalRecursion(),
    "full": lambda shape: FullHessian(),
    "jacobian": lambda shape: ForwardJacobian(),
    "coloring": lambda shape: Coloring(),
    "brute force": lambda shape: Coloring(field=shape[1:]),
    "hutchinson, 2 probes": lambda shape: Hutchinson(2),
    "propagation, 2 probes": lambda shape: CurvaturePropagation(2),
}


def curvature(
    steps: Annotated[int, typer.Option(help="Training steps before anything is measured.")] = 150,
    batch: Annotated[int, typer.Option(help="Batch size of the measured step.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the weights and the data.")] = 0,
    output: Annotated[Path | None, typer.Option(help="JSON file to write all numbers to.")] = None,
) -> None:
    """Train each architecture; measure the error of the diagonal recursion, and a step of the loss by every method.

    Times are medians in milliseconds. Memory is what a step adds to the peak memory of its own process, in MB. Each
    method uses its default memory budget, so a large batch is processed in chunks. A dash marks a step of more than
    100 s.
    """
    warnings.simplefilter("ignore", ApproximationWarning)
    rows = []
    for name in track(ARCHITECTURES, "measuring", console=console):
        energy = trained(name, steps, seed)
        shape = ARCHITECTURES[name][1]
        x = patches(batch, shape, seed + 1)
        report = sm.curvature_report(energy, x, LAM)
        row: dict[str, Any] = {
            "architecture": name,
            "auto": type(method_named("auto", energy, x)).__name__.lower(),
            "error of d2": report.errors["x"][0],
            "loss": report.loss,
            "loss with the recursion": report.diagonal_loss,
            "error of the gradient": report.gradient_error,
            "step": {method: _in_a_process(name, energy, method, batch) for method in METHODS},
        }
        rows.append(row)
    _print(rows)
    if output is not None:
        output.write_text(json.dumps({"machine": machine(), "batch": batch, "rows": rows}, indent=1))


def _in_a_process(name: str, energy: sm.Graph, method: str, batch: int) -> tuple[float, float] | None:
    """Measure a step in its own process; return milliseconds and MB, or ``None`` if it takes more than ``LIMIT``."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    state = {key: value.numpy() for key, value in energy.state_dict().items()}
    process = context.Process(target=_measure, args=(sender, name, state, method, batch))
    process.start()
    sender.close()
    result: tuple[float, float] | None = receiver.recv()
    process.join()
    return result


def _measure(sender: Any, name: str, state: dict[str, Any], method: str, batch: int) -> None:
    """Measure a step, and send the result to the parent process."""
    warnings.simplefilter("ignore", ApproximationWarning)
    build, shape = ARCHITECTURES[name]
    energy = build()
    energy.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    x, chosen = patches(batch, shape, 1), METHODS[method](shape)

    def step(x: torch.Tensor) -> None:
        energy.zero_grad()
        sm.score_matching_loss(energy, x, lam=LAM, curvature=chosen).backward()

    few = x[:4]
    step(few)
    start = time.perf_counter()
    step(few)
    if (time.perf_counter() - start) * batch / len(few) > LIMIT:
        sender.send(None)
        return
    before = forget_peak()
    step(x)
    added = peak_memory() - before
    times: list[float] = []
    while not times or (sum(times) < 1 and len(times) < 100):
        start = time.perf_counter()
        step(x)
        times.append(time.perf_counter() - start)
    sender.send((1e3 * statistics.median(times), added / 1e6))


def _print(rows: list[dict[str, Any]]) -> None:
    """Print two tables in Markdown."""
    console.print(machine(), "\n", soft_wrap=True)
    lines = ["| energy | error of δ' | exact J | J with the recursion | error of its gradient | choice of auto |"]
    lines += ["|---|---|---|---|---|---|"]
    for row in rows:
        figures = f"{row['error of d2']:.1%} | {row['loss']:.2f} | {row['loss with the recursion']:.2f}"
        lines.append(f"| {row['architecture']} | {figures} | {row['error of the gradient']:.1%} | {row['auto']} |")
    lines += ["", "| ms and MB | " + " | ".join(METHODS) + " |", "|---|" + "---|" * len(METHODS)]
    for row in rows:
        cells = ["-" if step is None else f"{step[0]:.3g}, {step[1]:.0f}" for step in row["step"].values()]
        lines.append(f"| {row['architecture']} | " + " | ".join(cells) + " |")
    print("\n".join(lines))
