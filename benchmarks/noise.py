"""Estimates of known noise levels: by wavelets, and by a prior."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

import scorematching as sm
from benchmarks.machine import machine
from benchmarks.tasks import PriorOption, SeedOption
from scorematching.cli.console import console
from scorematching.images.photographs import HELD_OUT, held_out_photograph
from scorematching.images.wavelet_noise import wavelet_sigma


def noise(
    prior: PriorOption = "natural-gray",
    level: Annotated[
        list[float] | None, typer.Option(help="Noise levels on the 0-255 scale.", show_default="2, 5, 10, 25")
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Print the estimates of both methods for the held-out photographs with noise of known levels."""
    console.print(machine(), soft_wrap=True, highlight=False)
    model = sm.load_prior(prior)
    print("| photograph | noise | wavelets | prior |\n|---|---|---|---|")
    for name in HELD_OUT:
        clean = held_out_photograph(name)
        for sigma in level or (2.0, 5.0, 10.0, 25.0):
            noisy = clean + sigma / 255 * np.random.default_rng(seed).standard_normal(clean.shape)
            first = wavelet_sigma(noisy, 1.0)
            found = sm.estimate_noise(noisy, model, data_range=1.0, seed=seed).sigma
            print(f"| {name} | {sigma:g} | {255 * first:.2f} | {255 * found:.2f} |", flush=True)
