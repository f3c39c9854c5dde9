"""``scorematching check``: every derivative rule against automatic differentiation, on this machine."""

from __future__ import annotations

import warnings

import typer
from rich.table import Table

from scorematching.cases import LAYERS, NETWORKS, make_layer, make_network
from scorematching.checks import CheckError, check_gradients, check_layer
from scorematching.cli.common import console

TOLERANCE = 1e-10


def check() -> None:
    """Check every rule of every layer, and the gradients of whole networks, in float64.

    Each rule of the four sweeps is compared with automatic differentiation; a relative error over 1e-10 fails, and
    makes the exit status 1.
    """
    table = Table("case", "checks", "largest relative error", "")
    failed = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PointwiseFunction is slow: here that is known
        for name in [*LAYERS, *NETWORKS]:
            try:
                errors = _errors(name)
                verdict = "[green]ok[/green]"
            except CheckError as error:
                errors, verdict = error.errors, "[red]WRONG[/red]"
                failed += 1
            table.add_row(name, str(len(errors)), f"{max(errors.values()):.1e}", verdict)
    console.print(table)
    total = len(LAYERS) + len(NETWORKS)
    console.print(f"{total - failed} of {total} cases agree with automatic differentiation to {TOLERANCE:g}")
    if failed:
        raise typer.Exit(1)


def _errors(name: str) -> dict[str, float]:
    if name in LAYERS:
        return check_layer(*make_layer(name), tolerance=TOLERANCE)
    energy, x, _ = make_network(name)
    return check_gradients(energy, x, tolerance=TOLERANCE)
