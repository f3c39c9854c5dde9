"""The purpose of lambda: without it the score matching loss falls without bound on few or quantized samples.

    J = K + L,    K = sum_i delta_i^2 / 2,    L = sum_i -delta'_i + lambda delta'_i^2

An expert whose filter w is orthogonal to some samples has its peak there, with curvature w^2. Longer filters lower
-delta' at these samples without bound. This happens if samples lie in one plane through the origin. Any D - 1 samples
do, and so do all quantized patches in which two neighbors are equal. With lambda no term falls below -1 / (4 lambda),
so J stays above D times that. The derivative of a term, where sweep 3 starts, is -1 + 2 lambda delta', not -1 as
printed in (7).

Which lambda is best? J with lambda = 0, on held-out samples, is half the Fisher divergence from their density, up to a
constant. It is the right measure for samples that have a density. Gray levels have none, and held-out gray levels seem
to confirm the spikes. Gaussian noise of variance q^2 / 12, the variance of rounding errors, gives them a density. Here
the samples before rounding are known, and show how good this choice is.

    python examples/regularizer.py
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import print
from rich.table import Table
from skimage.transform import rescale
from sklearn.feature_extraction.image import extract_patches_2d
from torch import Tensor

import scorematching as sm
from scorematching.energies import ProductOfStudentT, ZCAWhitening
from scorematching.images import photographs

SIZE = 5  # side of a patch in pixels; without its mean a patch has D = 24 dimensions
UNIT = 10 / 255  # unit of the pixel values, with white at 1; lambda is in units of its square
LAMBDAS = (0.0, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
SHOWN = {
    0.0: "#d6604d",
    3e-3: "#2166ac",
    1e-1: "0.55",
}  # lambdas whose curves are drawn against the steps, with their colors

HELD_OUT = ("#d6604d", "#e0a030", "#2166ac")  # colors: quantized, with noise, before rounding

#: Curves of a training: steps, regularized loss on the training samples, and J with lambda = 0 on each held-out set.
Curves = dict[str, list[float]]


def main(
    output: Annotated[Path, typer.Option(file_okay=False, help="Folder for the image.")] = Path("examples/results"),
    samples: Annotated[int, typer.Option(min=30, help="Number of samples where they are few.")] = 200,
    bits: Annotated[int, typer.Option(min=1, max=8, help="Bits of the quantized images.")] = 6,
    steps: Annotated[int, typer.Option(min=10, help="Number of training steps.")] = 1500,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the patches and the training.")] = 0,
    quick: Annotated[bool, typer.Option(help="Take few steps and three lambdas.")] = False,
) -> dict[str, dict[float, Curves]]:
    """Fit products of Student-t experts with several lambdas to few patches, and to many quantized ones."""
    steps, lambdas = (200, tuple(SHOWN)) if quick else (steps, LAMBDAS)
    # Means of several pixels are not quantized.
    halved = [rescale(x, 0.5, anti_aliasing=True) for x in photographs.training_photographs()]
    left = cut([x[:, : x.shape[1] // 2] for x in halved], 4000 if quick else 20000, seed)
    right = cut([x[:, x.shape[1] // 2 :] for x in halved], 4000, seed + 1)
    q = 1 / (2**bits - 1)
    rounded, held_out = (q * torch.round(x / q) for x in (left, right))
    noise = q / math.sqrt(12) * torch.randn(right.shape, generator=torch.Generator().manual_seed(seed))

    few = left[torch.randperm(len(left), generator=torch.Generator().manual_seed(seed))[:samples]]
    by_truth = {"held out": right}
    by_all = {"held out, quantized": held_out, "held out, with noise": held_out + noise, "held out, the truth": right}
    found = {
        f"{samples} samples": {lam: train(few, by_truth, lam, steps, seed) for lam in lambdas},
        f"{bits} bit": {lam: train(rounded, by_all, lam, steps, seed) for lam in lambdas},
    }
    for (title, trainings), judge in zip(found.items(), ("held out", "held out, with noise"), strict=True):
        print(table(title, trainings))
        print(f"lambda with the lowest loss on {judge}: {chosen(trainings, judge):g}\n")
    print(f"q^2 / 24, the lambda that smooths a Gaussian as much as rounding: {(q / UNIT) ** 2 / 24:.2g}")
    output.mkdir(parents=True, exist_ok=True)
    draw(found, output / "regularizer.png")
    return found


def cut(images: list[np.ndarray], count: int, seed: int) -> Tensor:
    """Return patches at random positions, shape (count, SIZE^2)."""
    each = [extract_patches_2d(x, (SIZE, SIZE), max_patches=count // len(images), random_state=seed) for x in images]
    return torch.from_numpy(np.concatenate(each)).flatten(1).float()


def train(patches: Tensor, held_out: Mapping[str, Tensor], lam: float, steps: int, seed: int) -> Curves:
    """Minimize the regularized loss by Adam. Weights of experts stay non-negative, which bounds the density."""
    without_mean = ZCAWhitening(SIZE)  # without a fit it only removes the mean of patches
    x, *others = (without_mean(some) / UNIT for some in (patches, *held_out.values()))
    energy = ProductOfStudentT(dim=x.shape[1], experts=2 * x.shape[1], seed=seed)
    optimizer = torch.optim.Adam(energy.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(seed)
    curves: Curves = {name: [] for name in ("steps", "training", *held_out)}
    for step in range(steps + 1):
        if step % (steps // 10) == 0:
            with torch.no_grad():
                curves["steps"].append(step)
                curves["training"].append(float(sm.score_matching_loss(energy, x[:4000], lam=lam)))
                for name, y in zip(held_out, others, strict=True):
                    curves[name].append(float(sm.score_matching_loss(energy, y)))
        batch = x[torch.randint(len(x), (256,), generator=generator)]
        optimizer.zero_grad()
        sm.score_matching_loss(energy, batch, lam=lam).backward()
        optimizer.step()
        with torch.no_grad():
            energy.weights.clamp_(min=0)
    return curves


def chosen(trainings: Mapping[float, Curves], judge: str) -> float:
    """Return the lambda with the lowest unregularized loss on a held-out set."""
    return min(trainings, key=lambda lam: trainings[lam][judge][-1])


def table(title: str, trainings: Mapping[float, Curves]) -> Table:
    """Return a table of the last losses, one row per lambda; the lowest of each held-out set is marked."""
    names = [name for name in trainings[0.0] if name != "steps"]
    rows = Table(f"{title}: lambda", *names)
    best = {name: min(curves[name][-1] for curves in trainings.values()) for name in names}
    for lam, curves in trainings.items():
        last = [(curves[name][-1], name != "training" and curves[name][-1] == best[name]) for name in names]
        rows.add_row(f"{lam:g}", *(f"{value:,.0f}{' *' if marked else ''}" for value, marked in last))
    return rows


def draw(found: Mapping[str, Mapping[float, Curves]], path: Path) -> None:
    """Draw one row per kind of samples: losses against steps, and last losses against lambda."""
    figure = Figure(figsize=(10.5, 7.2), layout="constrained")
    for (against_steps, against_lambda), (title, trainings) in zip(figure.subplots(2, 2), found.items(), strict=True):
        draw_steps(against_steps, title, trainings)
        draw_lambdas(against_lambda, title, trainings)
        for axes in (against_steps, against_lambda):
            axes.set_yscale("symlog", linthresh=100)
            axes.axhline(0, color="0.85", linewidth=0.8, zorder=0)
            axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


def draw_steps(axes: Axes, title: str, trainings: Mapping[float, Curves]) -> None:
    """Draw the training loss, and the loss on the last held-out set, over the steps."""
    for lam, color in SHOWN.items():
        curves = trainings[lam]
        truth = list(curves)[-1]
        axes.plot(curves["steps"], curves["training"], color=color, label=f"λ = {lam:g}")
        axes.plot(curves["steps"], curves[truth], color=color, linestyle="--")
    axes.plot([], [], color="0.2", label="training, with λ")
    axes.plot([], [], color="0.2", linestyle="--", label=truth)
    axes.legend(frameon=False, fontsize=9, loc=(0.62, 0.53))
    axes.set(title=title, xlabel="steps", ylabel="J")


def draw_lambdas(axes: Axes, title: str, trainings: Mapping[float, Curves]) -> None:
    """Draw the last loss on each set against lambda, with a ring around the lowest."""
    names = [name for name in trainings[0.0] if name != "steps"]
    for name, color in zip(names, ("0.6", *HELD_OUT[-len(names) + 1 :]), strict=True):
        last = [curves[name][-1] for curves in trainings.values()]
        axes.plot(last, color=color, marker="o", markersize=4, label=name)
        if name != "training":
            axes.plot(np.argmin(last), min(last), "o", color=color, markersize=11, fillstyle="none")
    axes.set_xticks(range(len(trainings)), [f"{lam:g}" for lam in trainings])
    axes.legend(frameon=False, fontsize=9, loc="upper right")
    axes.set(title=f"{title}, after the last step", xlabel="λ", ylabel="J")


if __name__ == "__main__":
    typer.run(main)
