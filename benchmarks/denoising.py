"""Train a field of experts on noisy images, and compare its denoising with classical methods."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import typer
from rich.table import Table

import scorematching as sm
from scorematching.cli.console import console, progress_bar
from scorematching.energies.sizes import ExpertName
from scorematching.images import find_images, ssim, to_planes
from scorematching.restoration.classics import non_local_means, total_variation


def denoising(
    train: Annotated[Path, typer.Option(help="Folder of clean grayscale images to train on; noise is added.")],
    test: Annotated[Path, typer.Option(help="Folder of clean grayscale images to test on; noise is added.")],
    sigma: Annotated[float, typer.Option(help="Noise level on the 0-255 scale.")] = 25.0,
    filters: Annotated[int, typer.Option(help="Number of filters per octave.")] = 48,
    size: Annotated[int, typer.Option(help="Side of a filter in pixels.")] = 7,
    octaves: Annotated[int, typer.Option(help="Number of octaves.")] = 1,
    expert: Annotated[str, typer.Option(help="student-t or spline.")] = "student-t",
    normalize_filters: Annotated[bool, typer.Option(help="Keep the filters at zero mean and unit norm.")] = False,
    crop: Annotated[int, typer.Option(help="Side of a training crop in pixels.")] = 48,
    steps: Annotated[int, typer.Option(help="Training steps.")] = 3000,
    seed: Annotated[int, typer.Option(help="Seed of noise and training.")] = 0,
    baselines: Annotated[bool, typer.Option(help="Also run total variation and non-local means (slow).")] = True,
) -> None:
    """Train on one folder, denoise another, and print the mean PSNR and SSIM.

    The noise has its own seed for each image, and is neither clipped nor rounded. Results are clipped to the range.
    """
    noisy = [_noisy(_load(path), sigma / 255, (seed, i)) for i, path in enumerate(find_images([train]))]
    start = time.monotonic()
    with progress_bar("fitting") as progress:
        result = sm.fit(
            noisy,
            noise=sigma / 255,
            model=sm.FieldConfig(filters, size, octaves, cast(ExpertName, expert), normalize_filters),
            training=sm.TrainingConfig(steps=steps, crop=crop, seed=seed),
            progress=progress,
        )
    console.print(f"fitted in {time.monotonic() - start:.0f} s")
    methods: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        "noisy": lambda y, _: y,
        "scorematching": lambda y, _: sm.denoise(y, sigma / 255, result.prior, data_range=1.0),
    }
    if baselines:
        methods["non-local means, best"] = lambda y, x: non_local_means(y, sigma / 255, x)
        methods["total variation, best"] = lambda y, x: total_variation(y, sigma / 255, x)
    table = Table(f"{test.name}, sigma {sigma:g}", "PSNR (dB)", "SSIM", "s per image (median)")
    images = [_load(path) for path in find_images([test])]
    for name, method in methods.items():
        rows = []
        for i, clean in enumerate(images):
            y = _noisy(clean, sigma / 255, (seed + 1, i))
            start = time.perf_counter()
            restored = method(y, clean)
            rows.append((sm.psnr(clean, restored), ssim(clean, restored), time.perf_counter() - start))
        quality = np.array(rows)
        table.add_row(
            name, f"{quality[:, 0].mean():.2f}", f"{quality[:, 1].mean():.3f}", f"{np.median(quality[:, 2]):.2f}"
        )
    console.print(table)


def _load(path: Path) -> np.ndarray:
    """Return the first channel of an image, with white at 1."""
    planes = to_planes(sm.read_image(path))
    return planes.data[0, 0].numpy()


def _noisy(clean: np.ndarray, sigma: float, seed: tuple[int, int]) -> np.ndarray:
    """Add white Gaussian noise."""
    noise = np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return (clean + noise).astype(np.float32)
