"""Pictures of priors, trainings and results, by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from scorematching import atomic
from scorematching.prior import Prior

_INK, _BLUE, _ORANGE = "0.25", "#2166ac", "#d6604d"


def check_target(path: str | Path) -> None:
    """Raise, before any work is done, where a picture could not be written to a path.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: Not a ``.png``.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"{path}: expected a file that ends in .png")
    atomic.check_target(path)


def draw_side_by_side(pictures: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Grey pictures of one shape in a row, white at 1, each above an enlarged part of its middle.

    Args:
        pictures: By caption.
        path: A ``.png``.
    """
    check_target(path)
    height, width = next(iter(pictures.values())).shape
    side = min(height, width) // 3
    top, left = (height - side) // 2, (width - side) // 2
    columns = len(pictures)
    figure = Figure(figsize=(3.4 * columns, 3.4 * (height / width + 1) + 0.4), layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False, height_ratios=(height / width, 1))
    for i, (caption, picture) in enumerate(pictures.items()):
        _show(axes[0, i], picture, caption)
        _show(axes[1, i], picture[top : top + side, left : left + side], "")
    _save(figure, path)


def draw_history(history: Sequence[tuple[int, float, float]], path: str | Path) -> None:
    """The training's loss and held-out loss against the steps.

    Args:
        history: Triples (step, loss, held-out loss).
        path: A ``.png``.
    """
    check_target(path)
    steps, loss, held_out = zip(*history, strict=True)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, loss, color=_BLUE, label="training, running mean")
    axes.plot(steps, held_out, color=_ORANGE, marker=".", label="held out")
    axes.set(xlabel="step", ylabel="score matching loss J, a pixel")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def draw_prior(prior: Prior, path: str | Path) -> None:
    """Filters, experts where there are some, and the frequencies that the filters see.

    Args:
        prior: A prior.
        path: A ``.png``.
    """
    check_target(path)
    experts = getattr(prior.energy, "experts", None)
    widths = (1.25, 1, 1) if experts is not None else (1.25, 1)
    figure = Figure(figsize=(4 * sum(widths), 4.6), layout="constrained")
    first, *middle, last = figure.subplots(1, len(widths), width_ratios=widths)
    filters = prior.filters.detach().cpu()
    _draw_filters(first, filters)
    if experts is not None:
        _draw_experts(middle[0], prior, experts)
    _draw_spectrum(last, filters, figure)
    _save(figure, path)


def _draw_filters(axes: Axes, filters: Tensor) -> None:
    count, size = len(filters), filters.shape[-1]
    columns = int(np.ceil(np.sqrt(1.25 * count)))
    rows = int(np.ceil(count / columns))
    sheet = np.full((rows * (size + 1) + 1, columns * (size + 1) + 1), np.nan)
    for i, one in enumerate(filters.numpy()):
        top, left = (i // columns) * (size + 1) + 1, (i % columns) * (size + 1) + 1
        sheet[top : top + size, left : left + size] = one / max(np.abs(one).max(), 1e-12)
    axes.imshow(sheet, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    axes.set_title(f"{count} filters of {size} x {size}, each at its own contrast", fontsize=10)
    axes.set_axis_off()


def _draw_experts(axes: Axes, prior: Prior, experts: Callable[[Tensor], Tensor]) -> None:
    count = prior.info.filters
    u = torch.linspace(-12, 12, 481)
    with torch.no_grad():
        curves = experts(u[:, None].expand(-1, count).to(prior.filters.device)).cpu()
    for k in range(count):
        axes.plot(u.numpy(), curves[:, k].numpy(), color=_BLUE, alpha=0.35, linewidth=0.8)
    axes.set_title("experts: energy of a filter's response", fontsize=10)
    axes.set(xlabel="response, in units of the noise" if prior.info.sigma else "response", ylabel="energy")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_spectrum(axes: Axes, filters: Tensor, figure: Figure) -> None:
    power = torch.fft.fft2(filters, s=(64, 64)).abs().square().sum(0)
    drawn = axes.imshow(
        torch.fft.fftshift(power).sqrt().numpy(), cmap="magma", extent=(-0.5, 0.5, -0.5, 0.5), interpolation="bilinear"
    )
    axes.set_title("frequencies that the filters see", fontsize=10)
    axes.set(xlabel="cycles a pixel", ylabel="cycles a pixel")
    figure.colorbar(drawn, ax=axes, shrink=0.8, label="gain")


def _show(axes: Axes, picture: np.ndarray, caption: str) -> None:
    axes.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(caption, fontsize=11, color=_INK)
    axes.set_axis_off()


def _save(figure: Figure, path: str | Path) -> None:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    atomic.write_atomically(path, buffer.getvalue())
