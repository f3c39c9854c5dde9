"""Moving averages of the weights and early stopping: what they gain in short trainings."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import scorematching as sm
from benchmarks.machine import machine
from scorematching.cli.console import console
from scorematching.images import find_images, to_planes

#: Models, and options of their trainings.
_MODELS: dict[str, tuple[sm.FieldConfig | sm.DeepConfig, dict[str, Any]]] = {
    "foe": (sm.FieldConfig(), {}),
    "deep": (sm.DeepConfig(channels=16), {"crop": 32}),
}
_OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "average=0.98": {"average": 0.98},
    "average=0.995": {"average": 0.995},
    "patience=3": {"patience": 3},
}
_SIGMA = 25


def averaging(
    images: Annotated[Path, typer.Argument(help="Folder of clean grayscale images.")],
    count: Annotated[int, typer.Option(help="Number of images to train on.")] = 40,
    steps: Annotated[int, typer.Option(help="Training steps.")] = 600,
    batch: Annotated[int, typer.Option(help="Crops per step.")] = 8,
    seeds: Annotated[int, typer.Option(help="Number of trainings for each row.")] = 3,
    only: Annotated[str | None, typer.Option(help=f"One of the models: {', '.join(_MODELS)}.")] = None,
) -> None:
    """Compare trainings with an average of the weights, with early stopping, and with neither.

    Noise of level 25 is added to the images once for each seed. The table has the true PSNR on the held-out tenth of
    the images, as the mean gain over the training without options of the same seed, with its range over the seeds.
    """
    console.print(machine(), soft_wrap=True, highlight=False)
    clean = [to_planes(sm.read_image(path)).data[0, 0].numpy() for path in find_images([images])[:count]]
    console.print("| model | option | PSNR in dB | gain in dB, from, to | steps | seconds |\n|---|---|---|---|---|---|")
    for model in [only] if only else _MODELS:
        plain: list[float] = []
        for option in _OPTIONS:
            rows = [_trained(clean, model, option, steps, batch, seed) for seed in range(seeds)]
            psnr, taken, seconds = np.array(rows).T
            plain = plain or psnr.tolist()
            gain = psnr - plain
            console.print(
                f"| {model} | {option} | {psnr.mean():.2f} | {gain.mean():+.3f}, {gain.min():+.3f}, {gain.max():+.3f} "
                f"| {taken.mean():.0f} | {seconds.mean():.0f} |",
                soft_wrap=True,
                highlight=False,
            )


def _trained(
    clean: list[np.ndarray], model: str, option: str, steps: int, batch: int, seed: int
) -> tuple[float, int, float]:
    """Return the true PSNR on held-out images, the number of steps, and the seconds of a training."""
    random, start = np.random.default_rng(seed), time.monotonic()
    noisy = [(x + random.normal(0, _SIGMA / 255, x.shape)).astype(np.float32) for x in clean]
    config, given = _MODELS[model]
    training = sm.TrainingConfig(steps=steps, batch=batch, seed=seed, compile=False, **given, **_OPTIONS[option])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = sm.fit(noisy, noise=_SIGMA / 255, clean=clean, model=config, training=training, data_range=1.0)
    return float(result.psnr or np.nan), result.history[-1][0], time.monotonic() - start
