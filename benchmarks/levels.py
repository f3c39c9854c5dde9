"""A prior of one noise level used at other levels: by Tweedie's formula with rescaled contrast, or by MAP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

import scorematching as sm
from scorematching.cli.console import console
from scorematching.images.photographs import HELD_OUT, held_out_photograph


def levels(prior: Annotated[Path, typer.Argument(help="Prior file, such as prior.safetensors of the demo.")]) -> None:
    """Print the mean PSNR at several noise levels, over crops of 200 x 200 pixels of the held-out photographs."""
    model = sm.load_prior(prior)
    table = Table("sigma", "noisy", "Tweedie, contrast rescaled", "MAP")
    for sigma in (5, 10, 15, 20, 25, 30, 40, 50):
        rows = []
        for name in HELD_OUT:
            clean = held_out_photograph(name)[40:240, 100:300]
            y = clean + np.random.default_rng(0).normal(0, sigma / 255, clean.shape)
            results = (y, *(sm.denoise(y, sigma / 255, model, method=m, data_range=1.0) for m in ("tweedie", "map")))
            rows.append([sm.psnr(clean, x) for x in results])
        table.add_row(str(sigma), *(f"{value:.2f}" for value in np.mean(rows, axis=0)))
    console.print(table)
