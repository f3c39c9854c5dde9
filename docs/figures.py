"""Draw images of the site and of the README: `python docs/figures.py` writes them to `docs/images`.

This takes about two minutes on two cores, and downloads nothing.
"""

# ruff: noqa: RUF001  (the symbols of the paper)

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from density_figures import BLUE, GREEN, ORANGE, RED, misled, score_matching, separated_modes, tweedie
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from PIL import Image, ImageDraw, ImageFont
from skimage import data

import scorematching as sm

FOLDER = Path(__file__).parent / "images"


def before_after(folder: Path) -> None:
    """Draw a photograph with noise of level 25 beside its denoised version."""
    clean = data.chelsea()[35:179, 110:302]
    noise = np.random.default_rng(0).normal(0, 25, clean.shape)
    noisy = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)
    denoised = sm.denoise(noisy)
    panels = [("noise of level 25", noisy), ("sm.denoise(image)", denoised)]
    height, width, _ = clean.shape
    gap, band = 8, 20
    page = Image.new("RGB", (2 * width + gap, height + band), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.truetype(_font(), 11)
    for i, (name, image) in enumerate(panels):
        left = i * (width + gap)
        page.paste(Image.fromarray(image), (left, 0))
        text = f"{name}: {sm.psnr(image, clean):.1f} dB"
        draw.text((left + width / 2, height + 3), text, fill="black", font=font, anchor="ma")
    page.save(folder / "before_after.png", optimize=True)


def real_noise(folder: Path) -> None:
    """Draw enlarged details of photographs with correlated noise and with few photons: noisy, denoised, clean."""
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 0.7) ** 2)  # white noise, blurred by 0.7 pixels
    shares = np.convolve(kernel, kernel)
    one = 15**2 * np.outer(shares, shares) / shares.max() ** 2
    blurred = sm.CorrelatedNoise(np.eye(3)[..., None, None] * one)  # independent in the channels
    photons = sm.PoissonGaussianNoise(gain=255 / 20, sigma=255 / 20)
    rows = [
        ("blurred noise, level 15", data.chelsea(), blurred, (slice(60, 150), slice(130, 250))),
        ("20 photons in white", data.camera(), photons, (slice(60, 150), slice(180, 300))),
    ]
    scale, gap, band = 2, 6, 18
    height, width = 90 * scale, 120 * scale
    page = Image.new("RGB", (4 * width + 3 * gap, 2 * (height + band)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.truetype(_font(), 11)
    for row, (name, clean, noise, detail) in enumerate(rows):
        noisy = noise.simulate(clean.astype(float))
        panels = {name: noisy, "no setting": sm.denoise(noisy), "told the noise": sm.denoise(noisy, noise)}
        for column, (label, image) in enumerate([*panels.items(), ("clean", clean)]):
            left, top = column * (width + gap), row * (height + band)
            pixels = np.rint(np.clip(image[detail], 0, 255)).astype(np.uint8)
            enlarged = Image.fromarray(pixels).convert("RGB").resize((width, height), Image.Resampling.NEAREST)
            page.paste(enlarged, (left, top))
            text = label if image is clean else f"{label}: {sm.psnr(clean, image, data_range=255):.1f} dB"
            draw.text((left + width / 2, top + height + 2), text, fill="black", font=font, anchor="ma")
    page.save(folder / "real_noise.png", optimize=True)


def _font() -> str:
    return mpl.font_manager.findfont("DejaVu Sans")


def four_sweeps(folder: Path) -> None:
    """Draw the four sweeps over a small graph with a skip connection."""
    places = {"x": (0, 0), "h": (1.15, 0), "u": (2.3, 0), "E": (3.45, 0)}
    names = {("x", "h"): "Linear", ("h", "u"): "StudentT", ("u", "E"): "WeightedSum"}
    sweeps = [
        ("sweep 1, forward: the values g", "g", "g", BLUE, 1),
        ("sweep 2, backward: δ = ∂E/∂g and δ′ = ∂²E/∂g²", "δ, δ′", "1, 0", ORANGE, -1),
        ("sweep 3, forward: a = ∂J/∂δ and a′ = ∂J/∂δ′", "a, a′", "", GREEN, 1),
        ("sweep 4, backward: c = ∂J/∂g, and ∂J/∂w", "c", "0", RED, -1),
    ]
    figure, grid = plt.subplots(2, 2, figsize=(8.4, 3.9), layout="constrained")
    for axes, (title, quantity, at_output, color, direction) in zip(grid.flat, sweeps, strict=True):
        for (source, target), layer in names.items():
            _arrow(axes, places[source], places[target], color, direction, 0)
            middle = (places[source][0] + places[target][0]) / 2
            axes.text(middle, -0.2, layer, ha="center", fontsize=8, color="#444444")
            if quantity == "c" and layer != "StudentT":
                axes.text(middle, 0.1, "∂J/∂w", ha="center", fontsize=9, color=color)
        _arrow(axes, places["x"], places["E"], color, direction, -0.36)
        axes.text(1.725, 0.72, "skip: Square, then WeightedSum", ha="center", fontsize=8, color="#444444")
        for name, (x, y) in places.items():
            axes.add_patch(Circle((x, y), 0.17, facecolor="white", edgecolor="black", lw=1.2, zorder=3))
            axes.text(x, y, name, ha="center", va="center", fontsize=11, zorder=4, style="italic")
            shown = at_output if name == "E" else quantity
            axes.text(x, -0.36, shown, ha="center", fontsize=10, color=color)
        axes.set(xlim=(-0.35, 3.8), ylim=(-0.5, 0.95), title=title)
        axes.title.set_color(color)
        axes.title.set_fontsize(11)
        axes.set_aspect("equal")
        axes.axis("off")
    figure.savefig(folder / "four_sweeps.png", dpi=130)
    plt.close(figure)


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str, direction: int, bend: float
) -> None:
    ends = (start, end) if direction > 0 else (end, start)
    style = f"arc3,rad={bend * direction}"
    shape = {"arrowstyle": "-|>", "color": color, "lw": 1.8, "shrinkA": 14, "shrinkB": 14, "connectionstyle": style}
    axes.annotate("", xy=ends[1], xytext=ends[0], arrowprops=shape)


IMAGES = {
    draw.__name__: draw
    for draw in (before_after, real_noise, score_matching, tweedie, separated_modes, misled, four_sweeps)
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"images to draw: {', '.join(IMAGES)}; by default all")
    arguments = parser.parse_args()
    for name in arguments.names or IMAGES:
        IMAGES[name](FOLDER)
