"""The command line: all benchmarks of speed, or one benchmark by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from benchmarks.calibration import calibration
from benchmarks.convolutions import convolutions
from benchmarks.curvature import curvature
from benchmarks.deep import deep, run_deep
from benchmarks.denoising import denoising
from benchmarks.growth import growth, run_growth
from benchmarks.levels import levels
from benchmarks.low_light import low_light
from benchmarks.noise import noise
from benchmarks.photographs import photographs
from benchmarks.plots import draw_growth
from benchmarks.precision import precision
from benchmarks.profiles import profiles
from benchmarks.recovery import recovery
from benchmarks.restoration import restoration
from benchmarks.steps import run_steps, steps
from benchmarks.tasks import FOLDER, MEMORY, MemoryOption, OutputOption, QuickOption, write_figures
from benchmarks.throughput import run_throughput, throughput
from benchmarks.training import training
from scorematching.cli.common import console, keep_freed_memory

HELP = """Figures of this library, measured on this machine.

Without a command, all benchmarks of speed are run, against the libraries that are installed
([bold]pip install -e '.\\[peers]'[/bold]; a missing one says so in its row): [bold]steps[/bold],
[bold]deep[/bold], [bold]growth[/bold], [bold]throughput[/bold]. Tables go to standard output, in Markdown; all numbers
with the machine, the versions and the date to figures.json, and plots beside it.

The contestants of a table run in processes of their own and are timed in turns. "median" is the time of a call,
"spread" its interquartile range over the turns, "runs" how many there were, "first call" the first one with its
compilation, and "memory" what a call adds to the largest size of the process. Quote medians and ratios of one table.
Leave the machine alone meanwhile; OMP_NUM_THREADS sets how many cores PyTorch takes.

The other commands make the figures of accuracy and restoration in the docs.
"""

app = typer.Typer(add_completion=False, help=HELP, rich_markup_mode="rich")
_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Speed, against peers": (steps, deep, growth, throughput),
    "Speed, of formulations and methods": (profiles, convolutions, calibration),
    "Accuracy and restoration": (
        curvature,
        precision,
        photographs,
        training,
        restoration,
        denoising,
        levels,
        noise,
        low_light,
        recovery,
    ),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)

LimitOption = Annotated[
    float | None,
    typer.Option(
        "--limit",
        min=0.1,
        help="Seconds a call, after which a contestant is given up.",
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
    """Run all benchmarks of speed, unless a command is given."""
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
        write_figures(output, "figures", sections)  # after each, lest hours be lost
    draw_growth(sections["growth"], output / "growth.png")
    console.print(f"\nAll numbers are in {output / 'figures.json'}.", highlight=False)


def main() -> None:
    """Run the command line."""
    keep_freed_memory()
    app()
