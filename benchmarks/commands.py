"""Command line: all speed benchmarks, or one benchmark by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from benchmarks.attacks.runner import attacks
from benchmarks.averaging import averaging
from benchmarks.calibration import calibration
from benchmarks.convolutions import convolutions
from benchmarks.curvature import curvature
from benchmarks.data import data
from benchmarks.deep import deep, run_deep
from benchmarks.denoising import denoising
from benchmarks.determinism import determinism
from benchmarks.error_bars import errorbars
from benchmarks.fuzzing import fuzz
from benchmarks.growth import growth, run_growth
from benchmarks.levels import levels
from benchmarks.low_light import low_light
from benchmarks.neighbors import neighbors
from benchmarks.noise import noise
from benchmarks.photographs import photographs
from benchmarks.photons import photons
from benchmarks.plots import draw_growth
from benchmarks.precision import precision
from benchmarks.profiles import profiles
from benchmarks.raw import raw
from benchmarks.real import real
from benchmarks.recovery import recovery
from benchmarks.restoration import restoration
from benchmarks.simulated import simulated
from benchmarks.statistics import statistics
from benchmarks.steps import run_steps, steps
from benchmarks.tasks import FOLDER, MEMORY, MemoryOption, OutputOption, QuickOption, write_figures
from benchmarks.throughput import run_throughput, throughput
from benchmarks.training import training
from benchmarks.workers import workers
from scorematching.cli.console import console
from scorematching.cli.process import keep_freed_memory

HELP = """Measure speed, accuracy and restoration quality of this library on this machine.

Without a command, all speed benchmarks are run: [bold]steps[/bold], [bold]deep[/bold], [bold]growth[/bold] and
[bold]throughput[/bold]. They compare this library with the others that are installed
([bold]pip install -e '.\\[peers]'[/bold]). A library that is not installed is marked in its row. Tables are printed to
standard output in Markdown. All numbers, with the machine, the versions and the date, are written to figures.json, with
plots beside it.

Each contestant of a table runs in its own process, and they are timed in turns. "median" is the time of a call,
"spread" is its interquartile range over the turns, "runs" is the number of turns, "first call" is the time of the
first call including compilation, and "memory" is how much a call adds to the peak memory of the process. Compare only
numbers of one table. Run nothing else on the machine meanwhile. OMP_NUM_THREADS sets the number of cores that PyTorch
uses.

The other commands produce the numbers on accuracy and restoration in the docs.
"""


def unwrapped(text: str | None) -> str:
    r"""Join the lines of each paragraph, so that a help text fills the width of the terminal.

    Example:
        >>> unwrapped("One line\nand another.\n\nA second paragraph.")
        'One line and another.\n\nA second paragraph.'
    """
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n"))


app = typer.Typer(add_completion=False, help=unwrapped(HELP), rich_markup_mode="rich")
_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Speed, compared with other libraries": (steps, deep, growth, throughput),
    "Speed of algorithms and methods": (profiles, convolutions, calibration, workers, data),
    "Robustness": (attacks, fuzz, determinism),
    "Accuracy and restoration": (
        curvature,
        statistics,
        precision,
        photographs,
        training,
        averaging,
        restoration,
        denoising,
        levels,
        noise,
        low_light,
        errorbars,
        real,
        simulated,
        neighbors,
        raw,
        photons,
        recovery,
    ),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel, help=unwrapped(command.__doc__))(command)

LimitOption = Annotated[
    float | None,
    typer.Option(
        "--limit",
        min=0.1,
        help="Longest time of one call, in seconds. A slower contestant is stopped.",
        show_default="100, and 10 for growth",
    ),
]


@app.callback(invoke_without_command=True)
def every(
    context: typer.Context,
    quick: QuickOption = False,
    output: OutputOption = FOLDER,
    limit: LimitOption = None,
    memory: MemoryOption = MEMORY,
) -> None:
    """Run all speed benchmarks, unless a command is given."""
    if context.invoked_subcommand is not None:
        return
    options: dict[str, Any] = {"quick": quick, "memory": memory}
    options |= {} if limit is None else {"limit": limit}
    sections: dict[str, Any] = {}
    for name, run in (
        ("steps", run_steps),
        ("deep", run_deep),
        ("growth", run_growth),
        ("throughput", run_throughput),
    ):
        sections[name] = run(**options)
        write_figures(output, "figures", sections)  # after each, so that an interruption loses little
    draw_growth(sections["growth"], output / "growth.png")
    console.print(f"\nAll numbers are in {output / 'figures.json'}.", highlight=False)


def main() -> None:
    """Run the command line."""
    keep_freed_memory()
    app()
