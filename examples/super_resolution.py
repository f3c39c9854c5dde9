"""Super-resolution: shrink a photograph, and enlarge it to a probable image that shrinks to the same one.

Fit a field of experts to noisy photographs by score matching, J = K + L. Its energy E is the prior in

    F(x) = |A x - y|^2 / (2 sigma^2) + E(x)

where A shrinks an image (bicubic, antialiased) and y is the small image. ``sm.upscale`` minimizes F by L-BFGS, starting
from the bicubic interpolation. The gradient of E is delta at the input in sweep 2, equation (1). The method knows only
F, but the aim is a high PSNR. The curves show that the PSNR rises as F falls.

    python examples/super_resolution.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import print
from rich.table import Table

import scorematching as sm
from scorematching.images import photographs
from scorematching.restoration import BicubicDownsampling

FACTORS = (2, 3)
ITERATIONS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
NOISE_OF_TRAINING = 25 / 255
NOISE_OF_SMALL = 1 / 255  # stands for the rounding to 8 bit
DETAIL = (slice(60, 132), slice(84, 156))


@dataclass(frozen=True)
class Result:
    """An enlarged photograph, and its quality against the number of iterations.

    Attributes:
        bicubic: The bicubic interpolation.
        ours: The result after the last iteration.
        iterations: Numbers of iterations; 0 stands for the bicubic interpolation.
        energy: F after each number of iterations.
        psnr: PSNR in dB after each number of iterations.
        ssim: SSIM of the first and of the last result.
    """

    bicubic: np.ndarray
    ours: np.ndarray
    iterations: list[int]
    energy: list[float]
    psnr: list[float]
    ssim: tuple[float, float]


def main(
    output: Annotated[Path, typer.Option(file_okay=False, help="Folder for the image.")] = Path("examples/results"),
    steps: Annotated[int, typer.Option(min=1, help="Number of training steps.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise and the training.")] = 0,
    quick: Annotated[bool, typer.Option(help="Take few steps and small images.")] = False,
) -> dict[int, Result]:
    """Shrink a held-out photograph by 2 and by 3, and enlarge it by bicubic interpolation and by MAP."""
    random = np.random.default_rng(seed)
    noisy = [x + NOISE_OF_TRAINING * random.standard_normal(x.shape) for x in photographs.training_photographs()]
    steps, crop = (40, 24) if quick else (steps, 48)
    training = sm.TrainingConfig(steps=steps, crop=crop, seed=seed)
    prior = sm.fit(noisy, noise=NOISE_OF_TRAINING, training=training, data_range=1.0).prior

    side = 96 if quick else 252  # a multiple of both factors
    clean = photographs.held_out_photograph("astronaut")[:side, 96 : 96 + side]
    found = {factor: enlarge(clean, factor, prior, ITERATIONS[:5] if quick else ITERATIONS) for factor in FACTORS}
    print(table(found))
    output.mkdir(parents=True, exist_ok=True)
    draw(clean, found, output / "super_resolution.png")
    return found


def enlarge(clean: np.ndarray, factor: int, prior: sm.Prior, iterations: Sequence[int]) -> Result:
    """Shrink an image and enlarge it, once for each maximum number of iterations.

    L-BFGS is deterministic, so the results are states of one run.
    """
    shrink = BicubicDownsampling(factor, clean.shape)
    y = shrink(torch.from_numpy(clean)[None, None]).mul(255).round() / 255
    bicubic = shrink.start(y)[0, 0].numpy()
    small = y[0, 0].numpy()
    images = [bicubic, *(sm.upscale(small, factor, prior, noise=NOISE_OF_SMALL, steps=n) for n in iterations[1:])]

    def total(x: np.ndarray) -> float:
        planes = torch.from_numpy(x)[None, None]
        rest = shrink(planes) - y
        return float(rest.square().sum() / (2 * NOISE_OF_SMALL**2) + prior.energy_and_gradient(planes)[0])

    inner = (slice(factor, -factor),) * 2  # without the border, as is usual
    psnr = [sm.psnr(clean[inner], x[inner]) for x in images]
    ssim = sm.images.ssim(clean[inner], bicubic[inner]), sm.images.ssim(clean[inner], images[-1][inner])
    return Result(bicubic, images[-1], list(iterations), [total(x) for x in images], psnr, ssim)


def table(found: dict[int, Result]) -> Table:
    """Return a table with one row per factor and method."""
    rows = Table("enlarged by", "method", "PSNR (dB)", "SSIM", "F per pixel")
    for factor, result in found.items():
        for name, i in (("bicubic", 0), ("field of experts, MAP", -1)):
            energy = result.energy[i] / result.ours.size
            rows.add_row(str(factor), name, f"{result.psnr[i]:.2f}", f"{result.ssim[i]:.3f}", f"{energy:.3f}")
    return rows


def draw(clean: np.ndarray, found: dict[int, Result], path: Path) -> None:
    """Draw one row per factor: a detail of three images, then F and the PSNR against the iterations."""
    figure = Figure(figsize=(11, 2.7 * len(found)), layout="constrained")
    panels = figure.subplots(len(found), 4, width_ratios=(1, 1, 1, 1.3), squeeze=False)
    for row, (factor, result) in zip(panels, found.items(), strict=True):
        images = {
            f"bicubic, by {factor}: {result.psnr[0]:.2f} dB": result.bicubic,
            f"MAP, by {factor}: {result.psnr[-1]:.2f} dB": result.ours,
            "the photograph": clean,
        }
        for axes, (caption, image) in zip(row[:3], images.items(), strict=True):
            axes.imshow(image[DETAIL], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(caption, fontsize=10)
            axes.set_axis_off()
        draw_curves(row[3], result)
    figure.savefig(path, dpi=100)


def draw_curves(axes: Axes, result: Result) -> None:
    """Draw F minus its last value, per pixel, and the PSNR, against the iterations."""
    above = (np.array(result.energy) - result.energy[-1]) / result.ours.size
    axes.semilogy(result.iterations[:-1], above[:-1], color="#d6604d", marker="o", markersize=3.5)
    axes.set_ylabel("F above its last value, per pixel", color="#d6604d")
    axes.set_xlabel("maximum number of L-BFGS iterations")
    right = axes.twinx()
    right.plot(result.iterations, result.psnr, color="#2166ac", marker="o", markersize=3.5)
    right.set_ylabel("PSNR (dB)", color="#2166ac")
    for side in (axes, right):
        side.spines["top"].set_visible(False)


if __name__ == "__main__":
    typer.run(main)
