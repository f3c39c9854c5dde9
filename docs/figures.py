"""Draw images of the site and of the README: `python docs/figures.py` writes them to `docs/images`.

This takes about two minutes on two cores, and downloads nothing.
"""

# ruff: noqa: RUF001  (the symbols of the paper)

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from PIL import Image, ImageDraw, ImageFont
from skimage import data

import scorematching as sm

FOLDER = Path(__file__).parent / "images"
BLUE, ORANGE, GRAY, GREEN, RED = "#3f51b5", "#e8710a", "#8a8f98", "#1b8a5a", "#c62828"


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


def score_matching(folder: Path) -> None:
    """Draw a one-dimensional density, its energy and its score, and those of an energy fitted to 5,000 samples."""
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.tensor([0.6, 0.4])),
        torch.distributions.Normal(torch.tensor([-1.0, 1.2]), torch.tensor([0.6, 0.5])),
    )
    torch.manual_seed(0)
    samples = mixture.sample((5000, 1))
    energy = _smooth_energy()
    sm.fit_closed_form(energy, samples, lam=1e-3, parameters=["layers.2.weight", "layers.4.weight"])

    x = torch.linspace(-3.2, 3.2, 400)[:, None].requires_grad_()
    log_density = mixture.log_prob(x)
    (score,) = torch.autograd.grad(log_density.sum(), x)
    grid, log_density = x.detach()[:, 0].numpy(), log_density.detach()[:, 0]
    with torch.no_grad():
        fitted = energy(x.detach())
    step = grid[1] - grid[0]
    fitted = fitted + torch.log((-fitted).exp().sum() * step)
    found = sm.score(energy, x.detach())[:, 0].detach()

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8.8, 2.8), layout="constrained")
    left.hist(samples[:, 0].numpy(), 50, range=(-3.2, 3.2), density=True, color="#d6daf0", label="samples")
    for axes, truth, mine, title in (
        (left, log_density.exp(), (-fitted).exp(), "density p(x)"),
        (middle, -log_density, fitted, "energy E(x), up to a constant"),
        (right, score[:, 0], found, "score d log p(x) / dx"),
    ):
        axes.plot(grid, truth, color=GRAY, lw=4, alpha=0.6, label="true")
        axes.plot(grid, mine, color=BLUE, lw=1.6, label="fitted")
        axes.set(title=title, xlabel="x", xlim=(-3.2, 3.2))
        _plain(axes)
    right.axhline(0, color="black", lw=0.6)
    left.set_ylim(0, 0.52)
    left.legend(frameon=False, fontsize=8, loc="upper right", ncols=3, columnspacing=0.8, handlelength=1.2)
    figure.savefig(folder / "score_matching.png", dpi=130)
    plt.close(figure)


def _smooth_energy(units: int = 9, reach: float = 3.0, slope: float = 2.0) -> sm.Graph:
    """Return an energy that is linear in its weights: a sum of smooth steps at fixed positions, and the square of x."""
    steps, places = sm.Linear(1, units), torch.linspace(-reach, reach, units)
    steps.load_state_dict({"weight": torch.full((units, 1), slope), "bias": -slope * places})
    return sm.Graph(
        [
            ("x", steps.requires_grad_(False), "h"),
            ("h", sm.layers.Softplus(), "u"),
            ("u", sm.WeightedSum(units), "energy"),
            ("x", sm.layers.Square(), "square"),
            ("square", sm.WeightedSum(1), "energy"),
        ]
    )


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.title.set_fontsize(11)


def tweedie(folder: Path) -> None:
    """Draw noisy points in the plane and their moves by Tweedie's formula, from an energy of noisy points."""
    torch.manual_seed(0)
    sigma = 0.25

    def points(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        t = 3 * torch.pi * (0.3 + 0.7 * torch.rand(count, 1))
        clean = torch.cat([t * t.cos(), t * t.sin()], 1) / 4
        return clean, clean + sigma * torch.randn(count, 2)

    _, train = points(8000)
    network = torch.nn.Sequential(
        torch.nn.Linear(2, 64), torch.nn.SiLU(), torch.nn.Linear(64, 64), torch.nn.SiLU(), torch.nn.Linear(64, 1)
    )
    energy = sm.from_torch(network)
    optimizer = torch.optim.Adam(energy.parameters(), lr=5e-3)
    steps = 1000
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        sm.score_matching_loss(energy, train[torch.randint(len(train), (512,))]).backward()
        optimizer.step()
        schedule.step()

    clean, noisy = points(400)
    denoised = noisy + sigma**2 * sm.score(energy, noisy).detach()
    before, after = (float((x - clean).square().mean().sqrt()) for x in (noisy, denoised))
    figure, axes = plt.subplots(1, 3, figsize=(8.8, 2.8), layout="constrained", sharex=True, sharey=True)
    axes[0].scatter(*noisy.T, s=6, color=ORANGE)
    axes[0].set_title(f"noisy points y, error {before:.2f}")
    move = (denoised - noisy).numpy()
    axes[1].quiver(*noisy.T.numpy(), *move.T, angles="xy", scale_units="xy", scale=1, width=0.004, color=BLUE)
    axes[1].set_title("the move: sigma² times the score")
    axes[2].scatter(*clean.T, s=22, color="#d5d8dd", label="clean x (never seen)")
    axes[2].scatter(*denoised.T, s=6, color=BLUE, label="denoised")
    axes[2].set_title(f"denoised points, error {after:.2f}")
    axes[2].legend(frameon=False, fontsize=8, loc="lower left")
    for one in axes:
        one.set_aspect("equal")
        one.set(xticks=[], yticks=[])
        _plain(one)
    figure.savefig(folder / "tweedie.png", dpi=130)
    plt.close(figure)


def separated_modes(folder: Path) -> None:
    """Draw two mixtures with the same components and different weights: the densities differ, the scores do not."""
    x = torch.linspace(-7, 7, 600, requires_grad=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.7), layout="constrained")
    for weight, color, style in ((0.5, GRAY, "-"), (0.9, ORANGE, "--")):
        mixture = torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(torch.tensor([weight, 1 - weight])),
            torch.distributions.Normal(torch.tensor([-4.0, 4.0]), 0.8),
        )
        log_density = mixture.log_prob(x)
        (score,) = torch.autograd.grad(log_density.sum(), x)
        label = f"weights {weight:.1f} and {1 - weight:.1f}"
        grid = x.detach()
        left.plot(grid, log_density.detach().exp(), color=color, ls=style, lw=2.2, label=label)
        right.plot(grid, score, color=color, ls=style, lw=2.2, label=label)
    density = log_density.detach().exp()
    right.fill_between(grid, -9, 9, where=(density > 1e-3).numpy(), color="#dfe3f6")
    for place in (-4, 4):
        right.text(place, -8.2, "where the data are", ha="center", fontsize=8.5, color=BLUE)
    left.set(title="densities", xlabel="x")
    right.set(title="scores", xlabel="x", ylim=(-9, 9))
    left.legend(frameon=False, fontsize=9)
    right.legend(frameon=False, fontsize=9, loc="upper right", bbox_to_anchor=(1.02, 1.03))
    for axes in (left, right):
        _plain(axes)
    figure.savefig(folder / "separated_modes.png", dpi=130)
    plt.close(figure)


def misled(folder: Path) -> None:
    """Draw three fits that mislead, with their remedies: a bound, few samples, and rounded data."""
    figure, (bound, few, rounded) = plt.subplots(1, 3, figsize=(8.8, 2.8), layout="constrained")
    torch.manual_seed(0)
    waits = torch.distributions.Exponential(1.0).sample((2000, 1)).double()
    energy = sm.energies.ExponentialFamily([lambda x: -x.sum(1)]).double()
    rate = float(sm.fit_closed_form(energy, waits, domain="positive").estimate)
    grid = torch.linspace(0, 5, 200)
    bound.hist(waits[:, 0].numpy(), 40, range=(0, 5), density=True, color="#d6daf0", label="samples")
    bound.plot(grid, torch.full_like(grid, 1 / 5), color=ORANGE, lw=2, label="no domain: rate 0")
    bound.plot(grid, rate * torch.exp(-rate * grid), color=BLUE, lw=2, label='domain="positive"')
    bound.set(title="a bound", xlabel="x")
    for lam, color in ((0.0, ORANGE), (0.3, BLUE)):
        fitted, held_out = _curves(lam)
        few.plot(held_out, color=color, lw=2, label=f"λ = {lam:g}, held out")
        few.plot(fitted, color=color, lw=1, ls="--", label=f"λ = {lam:g}, fitted")
    few.set(title="64 samples, 16 dimensions", xlabel="step", ylim=(-60, 30))
    whole = torch.randn(3000, 1, dtype=torch.float64).mul(1.5).round()
    blur = torch.rand(whole.shape, dtype=torch.float64) - 0.5
    grid = torch.linspace(-5, 5, 800, dtype=torch.float64)[:, None]
    cases = ((whole, 1e-3, ORANGE, "λ = 0.001"), (whole, 1 / 24, GRAY, "λ = q²/24"), (whole + blur, 0.0, BLUE, "noise"))
    for samples, lam, color, label in cases:
        spiky = _smooth_energy(19, 4.5, 4.0).double()
        sm.fit_closed_form(spiky, samples, lam=lam, parameters=["layers.2.weight", "layers.4.weight"])
        with torch.no_grad():
            density = torch.softmax(-spiky(grid), 0) / (grid[1] - grid[0])
        rounded.plot(grid, density, color=color, lw=1.6, label=label)
    rounded.set_ylim(0, 0.6)
    rounded.set(title="data rounded to whole numbers", xlabel="x")
    for axes in (bound, few, rounded):
        _plain(axes)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(folder / "misled.png", dpi=130)
    plt.close(figure)


def _curves(lam: float) -> tuple[list[float], list[float]]:
    """Return the losses of 64 samples and of many others, at λ = 0, during a fit."""
    torch.manual_seed(0)
    data = torch.randn(1064, 16)
    energy = sm.energies.ProductOfStudentT(16, 32)
    optimizer = torch.optim.Adam(energy.parameters(), lr=0.05)
    curves: tuple[list[float], list[float]] = ([], [])
    for _ in range(150):
        with torch.no_grad():
            for curve, part in zip(curves, (data[:64], data[64:]), strict=True):
                curve.append(float(sm.score_matching_loss(energy, part)))
        optimizer.zero_grad()
        sm.score_matching_loss(energy, data[:64], lam=lam).backward()
        optimizer.step()
    return curves


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
