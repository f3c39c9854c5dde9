"""Denoising without clean images: score matching and Tweedie's formula, compared with classic methods.

Fit a field of experts to noisy photographs alone. Its energy models noisy images ``y = x + sigma n``. So

    x = y + sigma^2 grad log p(y)

is the mean of all clean images that ``y`` may come from. The score, grad log p, is minus delta at the input in sweep 2,
equation (1). The deep prior that comes with the library uses the same formula. Total variation and non-local means use
the option that is best for each clean image. The priors see no clean image at all.

    python examples/denoising.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.figure import Figure
from rich import print
from rich.table import Table

import scorematching as sm
from scorematching.images import photographs
from scorematching.restoration import classics

LEVELS = (15, 25, 50)  # standard deviations of the noise, with white at 255
FITTED = 25  # noise level of the field of experts; for other levels sm.denoise rescales the contrast
SHOWN, DETAIL = ("chelsea", 25), (slice(34, 154), slice(16, 136))

#: Function of a noisy image, its noise level and the clean image. The classic methods use the last to choose an option.
Method = Callable[[np.ndarray, float, np.ndarray], np.ndarray]


def main(
    output: Annotated[Path, typer.Option(file_okay=False, help="Folder for the image.")] = Path("examples/results"),
    steps: Annotated[int, typer.Option(min=1, help="Number of training steps.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise and the training.")] = 0,
    quick: Annotated[bool, typer.Option(help="Take few steps and small images.")] = False,
) -> dict[int, dict[str, tuple[float, float]]]:
    """Denoise held-out photographs at three noise levels, with priors that were fitted to noisy photographs."""
    noisy = [add_noise(x, FITTED, (seed, i)) for i, x in enumerate(photographs.training_photographs())]
    steps, crop = (40, 24) if quick else (steps, 48)
    training = sm.TrainingConfig(steps=steps, crop=crop, seed=seed)
    field = sm.fit(noisy, noise=FITTED / 255, training=training, data_range=1.0).prior

    methods: dict[str, Method] = {
        "noisy": lambda y, sigma, x: y,
        "total variation": classics.total_variation,
        "non-local means": classics.non_local_means,
        "field of experts": tweedie_by(field),
        "natural-gray": tweedie_by(sm.load_prior("natural-gray")),
    }
    side = 96 if quick else 256
    clean = {name: center(photographs.held_out_photograph(name), side) for name in photographs.HELD_OUT}
    tests = {
        sigma: {name: (x, add_noise(x, sigma, (seed, 100 + i))) for i, (name, x) in enumerate(clean.items())}
        for sigma in LEVELS
    }
    found = {
        sigma: {name: quality(method, sigma, list(pairs.values())) for name, method in methods.items()}
        for sigma, pairs in tests.items()
    }
    print(table(found))
    output.mkdir(parents=True, exist_ok=True)
    name, sigma = SHOWN
    x, y = tests[sigma][name]
    draw(x, {name: method(y, sigma / 255, x) for name, method in methods.items()}, output / "denoising.png")
    return found


def add_noise(clean: np.ndarray, sigma: float, seed: tuple[int, int]) -> np.ndarray:
    """Add white Gaussian noise, neither clipped nor rounded."""
    noise = np.random.default_rng(seed).normal(0, sigma / 255, clean.shape)
    return (clean + noise).astype(np.float32)


def tweedie_by(prior: sm.Prior) -> Method:
    """Return the denoiser that applies Tweedie's formula with the score of a prior."""
    return lambda y, sigma, x: sm.denoise(y, sigma, prior, data_range=1.0)


def quality(method: Method, sigma: int, pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Return the mean PSNR in dB and the mean SSIM over pairs of a clean and a noisy image."""
    restored = [(x, method(y, sigma / 255, x)) for x, y in pairs]
    psnr, ssim = np.mean([(sm.psnr(x, found), sm.images.ssim(x, found)) for x, found in restored], axis=0)
    return float(psnr), float(ssim)


def center(image: np.ndarray, side: int) -> np.ndarray:
    """Return the square in the middle of an image."""
    top, left = ((n - side) // 2 for n in image.shape)
    return image[top : top + side, left : left + side]


def table(found: dict[int, dict[str, tuple[float, float]]]) -> Table:
    """Return a table with one row per method and one column per noise level."""
    rows = Table("PSNR (dB), SSIM", *(f"noise of level {sigma}" for sigma in found))
    for name in next(iter(found.values())):
        rows.add_row(name, *("{:.2f}  {:.3f}".format(*scores[name]) for scores in found.values()))
    return rows


def draw(clean: np.ndarray, images: dict[str, np.ndarray], path: Path) -> None:
    """Draw a detail of each image, with the PSNR of the whole image."""
    captions = {"clean": clean} | {f"{name}, {sm.psnr(clean, x):.2f} dB": x for name, x in images.items()}
    figure = Figure(figsize=(10, 7), layout="constrained")
    for axes, (caption, x) in zip(figure.subplots(2, 3).flat, captions.items(), strict=True):
        axes.imshow(x[DETAIL], cmap="gray", vmin=clean.min(), vmax=clean.max(), interpolation="nearest")
        axes.set_title(caption)
        axes.set_axis_off()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    typer.run(main)
