"""Train a deep prior in the same way as the included priors: on noisy images only, each with its own noise level."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import scorematching as sm
from benchmarks.machine import machine
from scorematching.cli.console import console, progress_bar
from scorematching.images import find_images, to_planes


def training(
    images: Annotated[Path, typer.Argument(help="Folder of clean images; noise is added once.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write the prior to.")],
    own: Annotated[
        tuple[float, float],
        typer.Option(help="Lowest and highest noise level of the images, on the 0-255 scale."),
    ] = (25.0, 25.0),
    max_sigma: Annotated[
        float | None, typer.Option(help="Highest noise level of the training crops, on the 0-255 scale.")
    ] = None,
    channels: Annotated[int, typer.Option(help="Channels of the hidden layers.")] = 64,
    depth: Annotated[int, typer.Option(help="Number of convolutions.")] = 6,
    blind: Annotated[bool, typer.Option(help="In every fourth crop, use less noise than the stated level.")] = False,
    color: Annotated[bool, typer.Option(help="Train a color prior; the default is grayscale.")] = False,
    steps: Annotated[int, typer.Option(help="Training steps.")] = 6000,
    batch: Annotated[int, typer.Option(help="Crops per step.")] = 16,
    crop: Annotated[int, typer.Option(help="Side of a crop in pixels.")] = 40,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 3e-3,
    bfloat16: Annotated[bool, typer.Option("--bfloat16", help="Compute large matrix products in bfloat16.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of noise and training.")] = 0,
) -> None:
    """Train a deep prior. An interrupted training is continued.

    Noise is drawn once for each image. The clean images are used only for the true PSNR that is printed.
    """
    console.print(machine(), soft_wrap=True, highlight=False)
    clean = [_read(path, color) for path in find_images([images])]
    random = np.random.default_rng(seed)
    levels = np.exp(random.uniform(np.log(own[0]), np.log(own[1]), len(clean))) / 255
    noisy = [(x + s * random.standard_normal(x.shape)).astype(np.float32) for x, s in zip(clean, levels, strict=True)]
    checkpoint, start = output.with_name(output.name + ".training"), time.monotonic()
    with progress_bar("training") as progress, sm.runtime.bfloat16_products(bfloat16):
        result = sm.fit(
            noisy,
            noise=levels.tolist(),
            clean=clean,
            model=sm.DeepConfig(channels=channels, depth=depth, color=color),
            training=sm.TrainingConfig(
                steps=steps,
                batch=batch,
                crop=crop,
                rate=rate,
                max_sigma=None if max_sigma is None else max_sigma / 255,
                blind=blind,
                seed=seed,
            ),
            data_range=1.0,
            progress=progress,
            checkpoint=checkpoint,
            resume=True,
        )
    data = f"{len(clean)} noisy images, {images.name}"
    result.prior.provenance = dataclasses.replace(result.prior.provenance, data=data)
    sm.save_prior(result.prior, output)
    checkpoint.unlink(missing_ok=True)
    console.print(
        f"trained for {time.monotonic() - start:.0f} s in this run; PSNR on held-out images: "
        f"{result.expected_psnr:.2f} dB by Stein's estimate, {result.psnr:.2f} dB in truth",
        highlight=False,
    )


def _read(path: Path, color: bool) -> np.ndarray:
    """Read an image, shape (H, W, 3), or the mean of its channels, shape (H, W), with white at 1."""
    planes = to_planes(sm.read_image(path)).data[:, 0]
    return (planes.permute(1, 2, 0) if color else planes.mean(0)).numpy()
