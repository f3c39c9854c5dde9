"""Recovery of known parameters from samples: error over the number of samples."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.progress import track
from rich.table import Table

from benchmarks.problems import PROBLEMS, Problem, recovery_errors
from scorematching.cli.console import console, errors
from scorematching.images.io.atomic import write_atomically
from scorematching.plotting.figures import check_target

STYLES = (("#92c5de", "o"), ("#4393c3", "s"), ("#053061", "D"), ("#d6604d", "^"), ("#1b7837", "v"))


@dataclass(frozen=True)
class Curve:
    """Relative errors of a problem for several numbers of samples.

    Attributes:
        name: Name of the problem.
        repeats: Number of fits at each number of samples.
        samples: Numbers of samples n.
        lower: Lower quartile of the error at each n.
        median: Median error at each n.
        upper: Upper quartile of the error at each n.
        slope: Slope of the logarithm of the median over log n.
    """

    name: str
    repeats: int
    samples: list[int]
    lower: list[float]
    median: list[float]
    upper: list[float]
    slope: float


def recovery(
    image: Annotated[
        Path, typer.Option(help="PNG file to draw to; the numbers are written beside it, as .json.")
    ] = Path("docs/images/recovery.png"),
    largest: Annotated[
        int, typer.Option(min=2000, help="Largest number of samples n, which doubles from 1,000.")
    ] = 64_000,
) -> None:
    """Measure the error of parameters that are recovered from n samples. The expected slope over log n is -1/2."""
    check_target(image)
    samples = [1000 * 2**k for k in range((largest // 1000).bit_length())]
    curves = [measure(problem, samples) for problem in track(PROBLEMS, "fitting", console=errors)]

    table = Table("median error, n =", *(curve.name for curve in curves))
    for i, n in enumerate(samples):
        table.add_row(f"{n:,}", *(f"{curve.median[i]:.4f}" for curve in curves), end_section=n == samples[-1])
    table.add_row("slope", *(f"{curve.slope:.2f}" for curve in curves))
    console.print(table)
    draw(curves, image)
    record = json.dumps([asdict(curve) for curve in curves], indent=1) + "\n"
    write_atomically(image.with_suffix(".json"), record.encode())


def measure(problem: Problem, samples: list[int]) -> Curve:
    """Fit a problem at each number of samples, and return the errors."""
    found = np.array([recovery_errors(problem, n) for n in samples])
    lower, median, upper = (row.round(5).tolist() for row in np.quantile(found, (0.25, 0.5, 0.75), axis=1))
    slope = np.polyfit(np.log(samples), np.log(median), deg=1)[0]
    return Curve(problem.name, problem.repeats, samples, lower, median, upper, round(float(slope), 3))


def draw(curves: list[Curve], path: Path) -> None:
    """Draw medians and quartiles on logarithmic axes, with a line of slope -1/2."""
    figure = Figure(figsize=(7, 5.6), layout="constrained")
    axes = figure.subplots()
    for curve, (color, marker) in zip(curves, STYLES, strict=True):
        label = f"{curve.name}: slope ${curve.slope:.2f}$"
        axes.plot(curve.samples, curve.median, color=color, marker=marker, label=label)
        axes.fill_between(curve.samples, curve.lower, curve.upper, color=color, alpha=0.15, linewidth=0)
    samples, levels = curves[0].samples, (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
    axes.plot(samples, 20 / np.sqrt(samples), color="0.25", linestyle="--", label="slope $-1/2$")
    axes.set(xscale="log", yscale="log", xlabel="samples n", ylabel="relative error")
    axes.set_xticks(samples, [f"{n:,}" for n in samples])
    axes.set_yticks(levels, [f"{level:g}" for level in levels])
    axes.minorticks_off()
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=100)
