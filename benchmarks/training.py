"""Train a deep prior as those that are shipped were: on noisy images alone, each at a level of its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import scorematching as sm
from benchmarks.machine import machine
from scorematching.cli.common import console, fit_bar
from scorematching.images import find_images, to_planes


def training(
    images: Annotated[Path, typer.Argument(help="Folder of clean images; noise is added to them once.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the prior.")],
    own: Annotated[
        tuple[float, float], typer.Option(help="Lowest and highest level of the images' noise, each its own; 0-255.")
    ] = (25.0, 25.0),
    max_sigma: Annotated[float | None, typer.Option(help="Level up to which noise is added to noisy crops.")] = None,
    channels: int = 64,
    depth: int = 6,
    blind: bool = False,
    color: Annotated[bool, typer.Option(help="Learn colors together; by default gray is learned.")] = False,
    steps: int = 6000,
    batch: int = 16,
    crop: int = 40,
    rate: float = 3e-3,
    bfloat16: Annotated[bool, typer.Option("--bfloat16", help="Large products in bfloat16.")] = False,
    seed: int = 0,
) -> None:
    """Fit a deep prior; an interrupted training goes on where it was.

    Noise is drawn once for each image, and the clean ones are used for nothing but the true PSNR that is printed.
    """
    console.print(machine(), soft_wrap=True, highlight=False)
    clean = [_read(path, color) for path in find_images([images])]
    random = np.random.default_rng(seed)
    levels = np.exp(random.uniform(np.log(own[0]), np.log(own[1]), len(clean))) / 255
    noisy = [(x + s * random.standard_normal(x.shape)).astype(np.float32) for x, s in zip(clean, levels, strict=True)]
    checkpoint, start = output.with_name(output.name + ".training"), time.monotonic()
    with fit_bar("training") as progress, sm.runtime.bfloat16_products(bfloat16):
        result = sm.fit(
            noisy,
            sigma=levels.tolist(),
            noisy=True,
            clean=clean,
            model="deep",
            filters=channels,
            depth=depth,
            blind=blind,
            color=color,
            max_sigma=None if max_sigma is None else max_sigma / 255,
            steps=steps,
            batch=batch,
            crop=crop,
            rate=rate,
            seed=seed,
            data_range=1.0,
            progress=progress,
            checkpoint=checkpoint,
        )
    result.prior.info = result.prior.info.replace(data=f"{len(clean)} noisy images, {images.name}")
    sm.save_prior(result.prior, output)
    checkpoint.unlink(missing_ok=True)
    console.print(
        f"{time.monotonic() - start:.0f} s in this run; Stein's estimate {result.expected_psnr:.2f} dB, truth "
        f"{result.psnr:.2f} dB on held-out images",
        highlight=False,
    )


def _read(path: Path, color: bool) -> np.ndarray:
    """An image, (H, W, 3), or the mean of its channels, (H, W), white at 1."""
    planes = to_planes(sm.read_image(path)).data[:, 0]
    return (planes.permute(1, 2, 0) if color else planes.mean(0)).numpy()
