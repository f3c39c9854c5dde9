"""Speed of denoising a Zarr array by one process of one thread, and by several."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import torch
import typer
import zarr

from benchmarks.tasks import PriorOption, SeedOption
from scorematching.cli.denoise_arrays import denoise_array
from scorematching.cli.denoise_files import Job
from scorematching.noise import GaussianNoise
from scorematching.priors import load_prior
from scorematching.runtime.workers import Workers

#: Side of an image in pixels: that of a tile.
_SIDE = 1024


def workers(
    counts: Annotated[
        list[int] | None, typer.Option("--workers", min=1, help="Number of processes.", show_default="1, 2")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Number of images of 1024 x 1024 pixels.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Number of times that each number of processes is timed.")] = 3,
    prior: PriorOption = "natural-gray",
    seed: SeedOption = 0,
) -> None:
    """Print how many tiles a second are denoised, for white noise of a known level, 16 bit.

    Each number of processes is timed in turn, from the start of the processes to the end of the last one. Each process
    has one thread.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder, noise = Path(name), GaussianNoise(2000)
        noisy = noise.simulate(np.full((images, _SIDE, _SIDE), 20000), seed).clip(0, 65535).astype(np.uint16)
        zarr.create_array(folder / "noisy.zarr", data=noisy, chunks=(1, _SIDE, _SIDE))
        job = Job(noise, load_prior(prior), False, False, None, seed, torch.device("cpu"), None, None)
        seconds: dict[int, list[float]] = {count: [] for count in counts or (1, 2)}
        for _ in range(rounds):
            for count, times in seconds.items():
                begin = time.perf_counter()
                denoise_array(job, folder / "noisy.zarr", folder / "clean.zarr", None, None, Workers(count), False)
                times.append(time.perf_counter() - begin)
                written = sum(path.stat().st_size for path in (folder / "clean.zarr").rglob("*") if path.is_file())
                shutil.rmtree(folder / "clean.zarr")
        read = sum(path.stat().st_size for path in (folder / "noisy.zarr").rglob("*") if path.is_file())
    print("| processes | tiles | seconds | tiles a second | MB read | MB written |\n|---|---|---|---|---|---|")
    for count, times in seconds.items():
        rate = images / median(times)
        sizes = f"{read / 1e6:.0f} | {written / 1e6:.0f}"
        print(f"| {count} | {images} | {median(times):.1f} | {rate:.2f} | {sizes} |", flush=True)
