"""``scorematching check``: compare every derivative rule with automatic differentiation, on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import typer

from scorematching.cli.options import DeviceOption, SeedOption

if TYPE_CHECKING:
    import torch

_TOLERANCE = 1e-10
_METHODS: tuple[Literal["diagonal", "full", "jacobian", "coloring"], ...] = ("diagonal", "full", "jacobian", "coloring")


def check(seed: SeedOption = 0, device: DeviceOption = "cpu") -> None:
    """Check every rule of every layer, and the gradients of whole networks, in float64.

    Each rule of the sweeps, and each curvature method, is compared with automatic differentiation. A relative error
    above 1e-10 fails and makes the exit status 1.
    """
    import warnings

    from rich.table import Table

    from scorematching.checks import CheckError
    from scorematching.checks.cases import LAYERS, NETWORKS
    from scorematching.cli.console import console, say
    from scorematching.cli.options import check_device

    where = check_device(device)
    table = Table("case", "checks", "largest relative error", "")
    failed = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PointwiseFunction warns that it is slow
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
    say(f"{total - failed} of {total} cases agree with automatic differentiation to {_TOLERANCE:g}")
    if failed:
        raise typer.Exit(1)


def _errors(name: str, seed: int, device: torch.device) -> dict[str, float]:
    """Return the relative error of each check of a case."""
    from scorematching.checks import check_gradients, check_layer
    from scorematching.checks.cases import LAYERS, make_layer, make_network

    if name in LAYERS:
        layer, x = make_layer(name, seed)
        return check_layer(layer.to(device), x.to(device), _TOLERANCE, seed)
    energy, x, _ = make_network(name, seed)
    return {
        f"{curvature}: {what}": error
        for curvature in _METHODS
        for what, error in check_gradients(
            energy.to(device), x.to(device), tolerance=_TOLERANCE, curvature=curvature
        ).items()
    }
