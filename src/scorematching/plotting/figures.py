"""Figures of trainings and results, drawn with matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scorematching.images.io import atomic
from scorematching.runtime.arguments import shown
from scorematching.runtime.kinds import check_arguments

_INK, _BLUE, _ORANGE = "0.25", "#2166ac", "#d6604d"


def check_target(path: str | Path) -> None:
    """Check that a figure can be written to a path.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: The path does not end in ``.png``.

    Example:
        >>> check_target("figure.jpg")
        Traceback (most recent call last):
        ValueError: figure.jpg: expected a file that ends in .png
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"{path}: expected a file that ends in .png")
    atomic.check_target(path)


def draw_side_by_side(images: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Draw grayscale images beside each other, each above an enlarged part of its center.

    Args:
        images: Images of the same shape (H, W), with white at 1, by caption.
        path: File to write, a ``.png``.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The path does not end in ``.png``.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "images.png"
        >>> draw_side_by_side({"noisy": np.ones((30, 40)), "denoised": np.zeros((30, 40))}, path)
        >>> path.exists()
        True
    """
    check_arguments(draw_side_by_side, locals())
    check_target(path)
    shapes: set[tuple[int, ...]] = {getattr(image, "shape", ()) for image in images.values()}
    shape = shapes.pop() if len(shapes) == 1 else ()
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(f"images must be one or more arrays of one shape, (H, W) or (H, W, 3), got {shown(images)}")
    height, width = shape[:2]
    side = min(height, width) // 3
    top, left = (height - side) // 2, (width - side) // 2
    columns = len(images)
    figure = Figure(figsize=(3.4 * columns, 3.4 * (height / width + 1) + 0.4), layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False, height_ratios=(height / width, 1))
    for i, (caption, image) in enumerate(images.items()):
        show_image(axes[0, i], image, caption)
        show_image(axes[1, i], image[top : top + side, left : left + side], "")
    save_figure(figure, path)


def draw_history(history: Sequence[tuple[int, float, float]], path: str | Path) -> None:
    """Draw the training loss and the held-out loss over the training steps.

    Args:
        history: Triples (step, loss, held-out loss), with losses per pixel.
        path: File to write, a ``.png``.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The path does not end in ``.png``.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "history.png"
        >>> draw_history([(0, 1.0, 1.0), (100, 0.5, 0.6)], path)
        >>> path.exists()
        True
    """
    check_arguments(draw_history, locals())
    check_target(path)
    if not history or any(not isinstance(row, tuple | list) or len(row) != 3 for row in history):
        raise ValueError(f"history must be one or more triples (step, loss, held-out loss), got {shown(history)}")
    steps, loss, held_out = zip(*history, strict=True)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, loss, color=_BLUE, label="training, running mean")
    axes.plot(steps, held_out, color=_ORANGE, marker=".", label="held out")
    axes.set(xlabel="step", ylabel="score matching loss J per pixel")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def show_image(axes: Axes, image: np.ndarray, caption: str) -> None:
    """Draw an image, shape (H, W) or (H, W, 3), with white at 1, under its caption."""
    axes.imshow(np.clip(image, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    set_caption(axes, caption)
    axes.set_axis_off()


def set_caption(axes: Axes, caption: str) -> None:
    """Put a caption above a panel."""
    axes.set_title(caption, fontsize=11, color=_INK)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as a ``.png`` file, completely or not at all."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    atomic.write_atomically(path, buffer.getvalue())
