"""``scorematching check``: every derivative rule against automatic differentiation, on this machine."""

from __future__ import annotations

import warnings

import torch
import typer
from rich.table import Table

from scorematching.checks.cases import LAYERS, NETWORKS, make_layer, make_network
from scorematching.checks.gradients import CheckError, check_gradients, check_layer
from scorematching.cli.common import DeviceOption, SeedOption, check_device, console
from scorematching.curvature.auto import Name

TOLERANCE = 1e-10
METHODS: tuple[Name, ...] = ("diagonal", "full", "jacobian", "coloring")


def check(seed: SeedOption = 0, device: DeviceOption = "cpu") -> None:
    """Check every rule of every layer, and the gradients of whole networks, in float64.

    Each rule of the sweeps, and each method of curvature, is compared with automatic differentiation; a relative error
    over 1e-10 fails, and makes the exit status 1.
    """
    where = check_device(device)
    table = Table("case", "checks", "largest relative error", "")
    failed = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PointwiseFunction is slow: here that is known
        for name in [*LAYERS, *NETWORKS]:
            try:
                errors = _errors(name, seed, where)
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


def _errors(name: str, seed: int, device: torch.device) -> dict[str, float]:
    if name in LAYERS:
        layer, x = make_layer(name, seed)
        return check_layer(layer.to(device), x.to(device), TOLERANCE, seed)
    energy, x, _ = make_network(name, seed)
    return {
        f"{curvature}: {what}": error
        for curvature in METHODS
        for what, error in check_gradients(
            energy.to(device), x.to(device), tolerance=TOLERANCE, curvature=curvature
        ).items()
    }
