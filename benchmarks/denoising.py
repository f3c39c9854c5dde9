"""Fit a field of experts to noisy images of one folder, denoise those of another, against the classics."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import typer
from rich.table import Table
from scorematching.cli.common import console, fit_bar

import scorematching as sm
from scorematching.energies.field_of_experts import ExpertName
from scorematching.images import find_images, ssim, to_planes
from scorematching.restoration.classics import non_local_means, total_variation


def denoising(
    train: Annotated[Path, typer.Option(help="Folder of clean gray images to train on, noise being added.")],
    test: Annotated[Path, typer.Option(help="Folder of clean gray images to test on.")],
    sigma: Annotated[float, typer.Option(help="Noise level, 0-255.")] = 25.0,
    filters: int = 48,
    size: int = 7,
    octaves: int = 1,
    expert: str = "student-t",
    normalize_filters: bool = False,
    crop: int = 48,
    steps: int = 3000,
    seed: int = 0,
    baselines: Annotated[bool, typer.Option(help="Also total variation and non-local means, minutes more.")] = True,
) -> None:
    """Mean PSNR and SSIM over a folder; noise neither clipped nor rounded, one seed an image, results clipped."""
    noisy = [_noisy(_load(path), sigma / 255, (seed, i)) for i, path in enumerate(find_images([train]))]
    start = time.monotonic()
    with fit_bar("fitting") as progress:
        result = sm.fit(
            noisy,
            sigma=sigma / 255,
            noisy=True,
            filters=filters,
            size=size,
            octaves=octaves,
            expert=cast(ExpertName, expert),
            normalize_filters=normalize_filters,
            crop=crop,
            steps=steps,
            seed=seed,
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
    table = Table(f"{test.name}, sigma {sigma:g}", "PSNR (dB)", "SSIM", "s an image (median)")
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
    planes = to_planes(sm.read_image(path))
    return planes.data[0, 0].numpy()


def _noisy(clean: np.ndarray, sigma: float, seed: tuple[int, int]) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return (clean + noise).astype(np.float32)
