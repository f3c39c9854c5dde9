"""Super-resolution: a photograph shrunk, and enlarged again by the most probable image that shrinks to it.

A field of experts is fitted to noisy photographs by score matching, J = K + L. Its energy E is the prior of

    F(x) = |A x - y|^2 / (2 sigma^2) + E(x)

where A shrinks (bicubic, antialiased) and y is the small image. ``sm.upscale`` lowers F by L-BFGS, starting from the
bicubic interpolation; the gradient of E is sweep 2's delta at the input, equation (1). F is what the method knows, the
PSNR is what one wants: the curves show whether the second follows the first.

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
from scorematching.images.photographs import held_out_photograph, training_photographs
from scorematching.restoration import BicubicDownsampling

FACTORS = (2, 3)
ITERATIONS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
NOISE_OF_TRAINING = 25 / 255
NOISE_OF_SMALL = 1 / 255  # what rounding to 8 bit is taken for
DETAIL = (slice(60, 132), slice(84, 156))


@dataclass(frozen=True)
class Result:
    """A photograph enlarged: the images, and at each iteration (0 is bicubic) the energy F and the PSNR in dB."""

    bicubic: np.ndarray
    ours: np.ndarray
    iterations: list[int]
    energy: list[float]
    psnr: list[float]
    ssim: tuple[float, float]


def main(
    output: Annotated[Path, typer.Option(file_okay=False, help="Folder for the image.")] = Path("examples/results"),
    steps: Annotated[int, typer.Option(min=1, help="Of the training.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise and the training.")] = 0,
    quick: Annotated[bool, typer.Option(help="A taste: few steps, small images.")] = False,
) -> dict[int, Result]:
    """Shrink a held-out photograph by 2 and by 3, and enlarge it again, by bicubic interpolation and by MAP."""
    random = np.random.default_rng(seed)
    noisy = [x + NOISE_OF_TRAINING * random.standard_normal(x.shape) for x in training_photographs()]
    steps, crop = (40, 24) if quick else (steps, 48)
    prior = sm.fit(noisy, sigma=NOISE_OF_TRAINING, noisy=True, data_range=1.0, steps=steps, crop=crop, seed=seed).prior

    side = 96 if quick else 252  # a multiple of both factors
    clean = held_out_photograph("astronaut")[:side, 96 : 96 + side]
    found = {factor: enlarge(clean, factor, prior, ITERATIONS[:5] if quick else ITERATIONS) for factor in FACTORS}
    print(table(found))
    output.mkdir(parents=True, exist_ok=True)
    draw(clean, found, output / "super_resolution.png")
    return found


def enlarge(clean: np.ndarray, factor: int, prior: sm.Prior, iterations: Sequence[int]) -> Result:
    """Shrink and enlarge, stopping after so many iterations at most: L-BFGS takes the same way each time."""
    shrink = BicubicDownsampling(factor, clean.shape)
    y = shrink(torch.from_numpy(clean)[None, None]).mul(255).round() / 255
    bicubic = shrink.start(y)[0, 0].numpy()
    small = y[0, 0].numpy()
    images = [bicubic, *(sm.upscale(small, factor, prior, sigma=NOISE_OF_SMALL, steps=n) for n in iterations[1:])]

    def total(x: np.ndarray) -> float:
        planes = torch.from_numpy(x)[None, None]
        rest = shrink(planes) - y
        return float(rest.square().sum() / (2 * NOISE_OF_SMALL**2) + prior.energy_and_gradient(planes)[0])

    inner = (slice(factor, -factor),) * 2  # a border is left out, as is usual
    psnr = [sm.psnr(clean[inner], x[inner]) for x in images]
    ssim = sm.images.ssim(clean[inner], bicubic[inner]), sm.images.ssim(clean[inner], images[-1][inner])
    return Result(bicubic, images[-1], list(iterations), [total(x) for x in images], psnr, ssim)


def table(found: dict[int, Result]) -> Table:
    """A row a method and factor."""
    rows = Table("enlarged by", "method", "PSNR (dB)", "SSIM", "F, a pixel")
    for factor, result in found.items():
        for name, i in (("bicubic", 0), ("field of experts, MAP", -1)):
            energy = result.energy[i] / result.ours.size
            rows.add_row(str(factor), name, f"{result.psnr[i]:.2f}", f"{result.ssim[i]:.3f}", f"{energy:.3f}")
    return rows


def draw(clean: np.ndarray, found: dict[int, Result], path: Path) -> None:
    """A row a factor: a detail, bicubic, by MAP and as it was; then F and the PSNR against the iterations."""
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
    """How far F is from where it ends, a pixel, and the PSNR; 0 iterations are bicubic interpolation."""
    above = (np.array(result.energy) - result.energy[-1]) / result.ours.size
    axes.semilogy(result.iterations[:-1], above[:-1], color="#d6604d", marker="o", markersize=3.5)
    axes.set_ylabel("F above its end, a pixel", color="#d6604d")
    axes.set_xlabel("iterations of L-BFGS, at most")
    right = axes.twinx()
    right.plot(result.iterations, result.psnr, color="#2166ac", marker="o", markersize=3.5)
    right.set_ylabel("PSNR (dB)", color="#2166ac")
    for side in (axes, right):
        side.spines["top"].set_visible(False)


if __name__ == "__main__":
    typer.run(main)
