"""Gabor filters from photographs: a product of Student-t experts, fitted to whitened patches by score matching.

    E(x) = sum_k w_k log(1 + (W x)_k^2 / 2),    J = K + L,    L = sum_i -delta'_i + lambda delta'_i^2

With one hidden layer the recursion of the paper, sections 1.3 and 3.1, gives the exact diagonal delta' of the Hessian.
The filters W start as white noise. After the training a Gabor function, a plane wave under a Gaussian envelope, is
fitted to each filter. The fraction of the filter that it explains measures how localized, oriented and band-pass the
filter is.

    python examples/gabor.py
"""

from __future__ import annotations

import math
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
from scipy.optimize import least_squares
from skimage.transform import rescale
from skimage.util import montage
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import extract_patches_2d
from torch import Tensor

import scorematching as sm
from scorematching.energies import ProductOfStudentT, ZCAWhitening
from scorematching.images import photographs

COLORS = {"learned": "#2166ac", "without lambda": "#d6604d", "random": "0.6", "PCA": "#1b7837"}


@dataclass(frozen=True)
class Gabor:
    """The Gabor function nearest to a filter.

    Attributes:
        image: The function, shape (n, n).
        share: Fraction of the filter that it explains, 1 - |filter - image|^2 / |filter|^2.
        frequency: Frequency of the wave in cycles per pixel.
        envelope: Standard deviations of the envelope across and along the stripes, in pixels.
    """

    image: np.ndarray
    share: float
    frequency: float
    envelope: tuple[float, float]


def main(
    output: Annotated[Path, typer.Option(file_okay=False, help="Folder for the image.")] = Path("examples/results"),
    lam: Annotated[float, typer.Option(min=0, help="Regularizer, for whitened patches.")] = 0.3,
    steps: Annotated[int, typer.Option(min=1, help="Number of training steps.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the patches and the initial filters.")] = 0,
    quick: Annotated[bool, typer.Option(help="Take few steps and small patches.")] = False,
) -> dict[str, list[Gabor]]:
    """Learn filters from whitened patches of photographs, and fit Gabor functions to them."""
    size, steps = (6, 300) if quick else (12, steps)
    halved = [rescale(x, 0.5, anti_aliasing=True) for x in photographs.training_photographs()]
    each = [extract_patches_2d(x, (size, size), max_patches=80 * size**2, random_state=seed) for x in halved]
    patches = torch.from_numpy(np.concatenate(each)).flatten(1).float()

    whitening = ZCAWhitening(size)
    pixels = whitening.matrix.clone()  # whitened patches have the axes of patches without their mean
    whitening.fit(patches, floor=0.01)
    x = whitening(patches)
    filters = {
        "learned": learn(x, size**2, lam, steps, seed).filters.detach() @ pixels,
        "without lambda": learn(x, size**2, 0.0, steps, seed).filters.detach() @ pixels,
        "random": ProductOfStudentT(size**2 - 1, size**2, seed).filters.detach() @ pixels,
        "PCA": torch.from_numpy(PCA(size**2 - 1).fit(patches.numpy()).components_),
    }
    found = {name: [fit_gabor(w) for w in some.unflatten(1, (size, size)).numpy()] for name, some in filters.items()}
    print(table(found))
    output.mkdir(parents=True, exist_ok=True)
    draw(filters["learned"].unflatten(1, (size, size)).numpy(), found, output / "gabor.png")
    return found


def learn(x: Tensor, experts: int, lam: float, steps: int, seed: int) -> ProductOfStudentT:
    """Minimize J by Adam on batches of 512 patches. Weights of experts stay non-negative, which bounds the density."""
    energy = ProductOfStudentT(x.shape[1], experts, seed)
    optimizer = torch.optim.Adam(energy.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = x[torch.randint(len(x), (512,), generator=generator)]
        optimizer.zero_grad()
        sm.score_matching_loss(energy, batch, lam=lam).backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            energy.weights.clamp_(min=0)
    return energy


def fit_gabor(target: np.ndarray) -> Gabor:
    """Fit the position, wave and envelope by least squares. Amplitude and phase are solved linearly."""
    n = len(target)
    y, x = np.mgrid[:n, :n] - (n - 1) / 2

    def gabor(parameters: np.ndarray) -> np.ndarray:
        place_x, place_y, fx, fy, across, along = parameters
        dx, dy, angle = x - place_x, y - place_y, math.atan2(fy, fx)
        u, v = math.cos(angle) * dx + math.sin(angle) * dy, math.cos(angle) * dy - math.sin(angle) * dx
        wave = np.exp(2j * np.pi * (fx * dx + fy * dy) - 0.5 * ((u / across) ** 2 + (v / along) ** 2)).ravel()
        phases = np.stack([wave.real, wave.imag], 1)
        return (phases @ np.linalg.lstsq(phases, target.ravel())[0]).reshape(n, n)

    energy = target**2 / np.sum(target**2)
    center = np.sum(x * energy), np.sum(y * energy)
    spread = math.sqrt(np.sum((np.square(x - center[0]) + np.square(y - center[1])) * energy) / 2)
    spectrum = np.abs(np.fft.fft2(target, (8 * n, 8 * n)))[:, : 4 * n]
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    start = np.array([*center, column / (8 * n), np.fft.fftfreq(8 * n)[row], spread, spread])
    least, most = np.array([-n / 2, -n / 2, -0.5, -0.5, 0.4, 0.4]), np.array([n / 2, n / 2, 0.5, 0.5, n, n])
    start = np.clip(start, least + 1e-3, most - 1e-3)
    found = least_squares(
        lambda parameters: (gabor(parameters) - target).ravel(), start, bounds=(least, most), max_nfev=60
    ).x
    share = 1 - np.sum((target - gabor(found)) ** 2) / np.sum(target**2)
    return Gabor(gabor(found), float(share), math.hypot(*found[2:4]), (found[4], found[5]))


def table(found: dict[str, list[Gabor]]) -> Table:
    """Return a table with one row per set of filters."""
    rows = Table(
        "filters", "share explained by Gabor functions, median", "above 0.8", "envelope across, along (pixels)"
    )
    for name, some in found.items():
        shares = np.array([g.share for g in some])
        across, along = np.median([g.envelope for g in some], axis=0)
        rows.add_row(name, f"{np.median(shares):.2f}", f"{np.mean(shares > 0.8):.0%}", f"{across:.1f}, {along:.1f}")
    return rows


def draw(filters: np.ndarray, found: dict[str, list[Gabor]], path: Path) -> None:
    """Draw the learned filters from low to high frequency, their Gabor functions, and the shares of all sets."""
    order = np.argsort([g.frequency for g in found["learned"]])
    contrast = np.abs(filters[order]).max((1, 2), keepdims=True)
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    learned, nearest, shares = figure.subplots(1, 3, width_ratios=(1, 1, 0.75))
    show(learned, filters[order] / contrast, f"{len(filters)} learned filters")
    show(
        nearest,
        np.stack([found["learned"][k].image for k in order]) / contrast,
        "their nearest Gabor functions",
    )
    for name, some in found.items():
        best_first = np.sort([g.share for g in some])[::-1]
        percent = np.linspace(0, 100, len(some))
        shares.plot(percent, best_first, color=COLORS[name], linewidth=1.8)
        shares.text(50, np.interp(50, percent, best_first) + 0.02, name, color=COLORS[name])
    shares.set(xlabel="filters, best first (%)", title="share explained by the Gabor function", ylim=(0, 1.02))
    shares.set_xlim(0, 100)
    shares.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


def show(axes: Axes, images: np.ndarray, title: str) -> None:
    """Draw small images in a square, with 0 as gray."""
    axes.imshow(montage(images, fill=1.0, padding_width=1), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    axes.set_title(title)
    axes.set_axis_off()


if __name__ == "__main__":
    typer.run(main)
