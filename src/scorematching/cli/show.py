"""``scorematching show``: what a prior has learned, in words and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table

import scorematching as sm
from scorematching import report
from scorematching.cli.common import DeviceOption, SeedOption, check_device, console


def show(
    prior: Annotated[Path, typer.Argument(help="A prior written by fit.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PNG", help="The picture.", show_default="PRIOR.safetensors.png"),
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Print what a prior is, and draw its filters, its experts and the frequencies that its filters see.

    Example: [bold]scorematching show photos.safetensors -o photos.png[/bold]
    """
    model = sm.load_prior(prior).to(check_device(device))
    torch.manual_seed(seed)
    target = output if output is not None else prior.with_name(prior.name + ".png")
    report.check_target(target)
    info = model.info
    table = Table(show_header=False, box=None)
    models = {"foe": "field of experts", "pot": "product of Student-t on patches", "deep": "deep convolutional"}
    low, high = (f"{level * 255:.4g}" for level in info.levels or (0.0, 0.0))
    sizes = f"{info.filters}, of {info.size} x {info.size} pixels"
    if info.model == "deep":
        sizes = f"{info.depth} layers of {info.filters} channels, {sum(p.numel() for p in model.parameters())} weights"
    rows = {
        "model": models[info.model],
        "experts": sizes,
        "noise": f"sigma {low if low == high else f'{low} to {high}'} on the 0-255 scale" if info.sigma else "none",
        "lam": f"{info.lam:g}",
        "data": info.data,
        "training": f"{info.steps} steps, seed {info.seed}, scorematching {info.version}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)
    report.draw_prior(model, target)
    console.print(f"wrote {target}", highlight=False)
