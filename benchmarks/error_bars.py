"""Calibration of error bars: predicted and true errors of groups of pixels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

import scorematching as sm
from benchmarks.machine import machine
from benchmarks.tasks import FOLDER, CropOption, OutputOption, PriorOption, Record, SeedOption, write_figures
from scorematching.cli.console import console, errors
from scorematching.images import find_images

#: Number of groups of pixels.
_GROUPS = 10


def errorbars(
    data: Annotated[Path, typer.Argument(help="Folder with the test set BSD68.")],
    prior: PriorOption = "natural-gray",
    images: Annotated[int | None, typer.Option(min=1, help="Maximum number of images.", show_default="all")] = None,
    crop: CropOption = None,
    sigma: Annotated[
        list[float] | None, typer.Option(help="Noise levels on the 0-255 scale.", show_default="15, 25, 50")
    ] = None,
    photons: Annotated[
        list[float] | None, typer.Option(help="Mean number of photons in a white pixel.", show_default="20, 100")
    ] = None,
    seed: SeedOption = 0,
    output: OutputOption = FOLDER,
) -> None:
    """Print the true error of groups of pixels relative to the error bars, for white noise and for photons.

    The pixels of all images together are split into ten groups of equal size by their error bar. For each group, the
    first number is the root mean square of the error bars, and the second that of the true errors relative to it. The
    last column compares the mean squares over all pixels. Noise is neither clipped nor rounded, except for photons,
    which are counted.
    """
    console.print(machine(), soft_wrap=True, highlight=False)
    clean = [middle(sm.read_image(path).astype(float), crop) for path in find_images([data / "BSD68"])[:images]]
    models: dict[str, sm.GaussianNoise | sm.PoissonGaussianNoise] = {
        f"sigma {level:g}": sm.GaussianNoise(level) for level in sigma or (15, 25, 50)
    }
    models |= {f"{white:g} photons": sm.PoissonGaussianNoise(255 / white) for white in photons or (20, 100)}
    model = sm.load_prior(prior)
    head = " | ".join(str(group) for group in range(1, _GROUPS + 1))
    print(f"| {len(clean)} images | {head} | mean square |\n|---|{'---|' * (_GROUPS + 1)}")
    records: list[Record] = []
    for name, noise in models.items():
        found = [
            _measured(x, noise, model, seed, number) for number, x in enumerate(track(clean, name, console=errors))
        ]
        predicted, true, whole = calibrated(found)
        cells = [f"{one:.3g}: {ratio:.2f}" for one, ratio in zip(predicted, true / predicted, strict=True)]
        print(f"| {name} | {' | '.join(cells)} | {whole:.3f} |", flush=True)
        records.append({"noise": name, "predicted": [*predicted], "true": [*true], "mean square": whole})
    write_figures(output, "errorbars", {"prior": prior, "images": len(clean), "errorbars": records})


def calibrated(found: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, float]:
    """Compare error bars with true errors.

    Args:
        found: For each image, the error bars and the errors.

    Returns:
        The root mean square of the error bars and of the errors of each group of pixels, and the mean square of all
        errors relative to that of all error bars.
    """
    std, error = (np.concatenate([part.ravel().astype(float) for part in parts]) for parts in zip(*found, strict=True))
    groups = np.array_split(np.argsort(std, kind="stable"), _GROUPS)
    predicted, true = (np.array([np.sqrt(np.mean(x[group] ** 2)) for group in groups]) for x in (std, error))
    return predicted, true, float(np.mean(error**2) / np.mean(std**2))


def _measured(
    clean: np.ndarray, noise: sm.GaussianNoise | sm.PoissonGaussianNoise, prior: sm.Prior, seed: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the error bars and the errors of a denoised image."""
    noisy = noise.simulate(clean, seed + 1000 * number)
    restored, std = sm.denoise(noisy, noise, prior, data_range=255, seed=seed, return_std=True)
    return std, restored - clean


def middle(image: np.ndarray, side: int | None) -> np.ndarray:
    """Return the middle square of an image, or all of it."""
    if side is None:
        return image
    top, left = (max(0, (size - side) // 2) for size in image.shape[:2])
    return image[top : top + side, left : left + side]
