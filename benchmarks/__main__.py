"""Run a benchmark by its name."""

from __future__ import annotations

import typer

from benchmarks.calibration import calibration
from benchmarks.curvature import curvature
from benchmarks.denoising import denoising
from benchmarks.levels import levels
from benchmarks.recovery import recovery
from scorematching.cli.common import keep_freed_memory

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command("calibration")(calibration)
app.command("curvature")(curvature)
app.command("denoising")(denoising)
app.command("levels")(levels)
app.command("recovery")(recovery)

if __name__ == "__main__":
    keep_freed_memory()
    app()
