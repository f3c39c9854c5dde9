"""Start, speed and memory of a training on a folder of many files, and on a stack of many pages."""

from __future__ import annotations

import multiprocessing as mp
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tifffile
import typer

import scorematching as sm
from benchmarks.tasks import SeedOption, announce


class Figures(NamedTuple):
    """Figures of a training.

    Attributes:
        start: Seconds from the call to the end of the first five steps.
        step: Milliseconds of processor time per step after these.
        memory: Peak memory of the process in MB.
    """

    start: float
    step: float
    memory: float


def data(
    files: Annotated[int, typer.Option(min=1, help="Number of files.")] = 3000,
    side: Annotated[int, typer.Option(min=64, help="Side of the image of a file, in pixels.")] = 1024,
    pages: Annotated[int, typer.Option(min=1, help="Number of pages of the stack, of 256 x 256 pixels.")] = 5000,
    steps: Annotated[int, typer.Option(min=6, help="Number of training steps.")] = 50,
    memory: Annotated[
        list[float] | None,
        typer.Option("--memory", min=0, help="GiB of decoded images that are kept.", show_default="2, 0.25"),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Threads that decode files.")] = 2,
    seed: SeedOption = 0,
) -> None:
    """Print the start, the speed and the memory of a training on many files, and on a stack of many pages.

    The files are links to one PNG, so that they take little room. The noise level is given. A row with one image shows
    what PyTorch and the training take by themselves.
    """
    announce("Training data beyond memory")
    print("| data | GiB kept | seconds to step 5 | processor ms per step | peak memory in MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = _folder(Path(name) / "files", files, side, seed)
        stack = _stack(Path(name) / "stack.tif", pages, seed)
        rows = [("one image", folder / "0.png", 2.0)]
        rows += [(f"{files} files", folder, limit) for limit in memory or (2.0, 0.25)]
        rows += [(f"stack of {pages} pages", stack, limit) for limit in memory or (2.0, 0.25)]
        for kind, path, limit in rows:
            with mp.get_context("spawn").Pool(1) as pool:
                found = pool.apply(_measure, (path, limit, workers, steps))
            print(f"| {kind} | {limit:g} | {found.start:.1f} | {found.step:.0f} | {found.memory:.0f} |", flush=True)


def _folder(folder: Path, count: int, side: int, seed: int) -> Path:
    """Make a folder of links to one noisy image."""
    folder.mkdir()
    down, across = np.mgrid[:side, :side]
    noisy = sm.GaussianNoise(3).simulate(100 + 60 * np.sin(across / 50) * np.cos(down / 70), seed)
    sm.write_image(folder / "0.png", noisy.clip(0, 255).astype(np.uint8))
    for number in range(1, count):
        os.link(folder / "0.png", folder / f"{number}.png")
    return folder


def _stack(path: Path, pages: int, seed: int) -> Path:
    """Make a compressed stack of noisy pages."""
    page = np.random.default_rng(seed).normal(100, 3, (256, 256)).astype(np.uint8)
    with tifffile.TiffWriter(path) as file:
        for number in range(pages):
            file.write(np.roll(page, number), compression="zlib", metadata=None)
    return path


def _measure(path: Path, memory: float, workers: int, steps: int) -> Figures:
    times: list[tuple[float, float]] = []
    begin = time.perf_counter()
    training = sm.TrainingConfig(steps=steps, memory=memory, workers=workers, compile=False)
    sm.fit(
        path, noise=3, training=training, progress=lambda _: times.append((time.perf_counter(), time.process_time()))
    )
    per_step = 1000 * (times[-1][1] - times[0][1]) / (steps - 5)
    return Figures(times[0][0] - begin, per_step, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
