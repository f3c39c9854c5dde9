"""Speed of several algorithms for the correlation of images with filters, and for its adjoint."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from benchmarks.machine import machine
from scorematching.cli.console import console
from scorematching.layers.correlation import FEW, LARGE, _by_fourier, _in_blocks, block_side, is_direct

#: Number of images, channels of the data, number of filters, side of a filter, side of an image.
SIZES = [
    (16, 1, 48, 7, 48),
    (16, 1, 24, 5, 48),
    (1, 1, 48, 7, 134),
    (64, 1, 16, 3, 16),
    (16, 4, 64, 3, 24),
    (16, 16, 16, 3, 48),
    (16, 64, 64, 3, 24),
    (4, 1, 8, 31, 96),
]
Formulations = dict[str, Callable[[], Tensor]]


def convolutions(turns: int = typer.Option(30, help="Number of turns of each algorithm.")) -> None:
    """Time a correlation, its adjoint, and its gradient with respect to the filters, by every algorithm.

    Times are medians in milliseconds; the fastest is bold. "direct" and "channels last" are PyTorch's own convolution
    with two memory layouts, "patches" is a matrix product with unfolded patches, "blocks" is this library's algorithm
    for few output channels, and "FFT" is a product of Fourier transforms. The last column is the choice of this
    library: FFT, or the side of the blocks, where 1 is PyTorch's own convolution.
    """
    console.print(machine(), "\n", soft_wrap=True)
    for title, build in (("filters", _filters), ("adjoint", _adjoint), ("gradient", _gradient)):
        names = list(build(*SIZES[0]))
        chosen = [] if title == "gradient" else ["taken"]
        print("| " + " | ".join([title, *names, *chosen]) + " |\n|" + "---|" * (1 + len(names) + len(chosen)))
        for size in SIZES:
            formulations = list(build(*size).values())
            for formulation in formulations[1:]:
                torch.testing.assert_close(formulation(), formulations[0](), rtol=1e-3, atol=1e-2)
            taken = _medians(formulations, turns)
            cells = [f"**{t:.2f}**" if t == min(taken) else f"{t:.2f}" for t in taken]
            sides = [_chosen(title, *size)] if chosen else []
            print("| " + " | ".join([_named(*size), *cells, *sides]) + " |", flush=True)
        print()


def _chosen(title: str, n: int, c: int, k: int, size: int, side: int) -> str:
    """Return the choice of the layers: FFT, or the side of the blocks."""
    outputs, across = (k, side) if title == "filters" else (c, side - size + 1)
    if n * c * k * (size * across) ** 2 < FEW or is_direct(outputs, (size, size)):
        return "1"
    return "FFT" if size >= LARGE else str(block_side(outputs, (size, size)))


def _named(n: int, c: int, k: int, size: int, side: int) -> str:
    """Describe a size."""
    return f"{n} of {c} x {side}x{side}, {k} filters {size}x{size}"


def _data(n: int, c: int, k: int, size: int, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return random images, filters and responses."""
    generator = torch.Generator().manual_seed(0)
    inside = side - size + 1
    shapes = (n, c, side, side), (k, c, size, size), (n, k, inside, inside)
    x, w, y = (torch.randn(shape, generator=generator) for shape in shapes)
    return x, w, y


def _last(x: Tensor) -> Tensor:
    """Return a copy with channels last in memory."""
    return x.contiguous(memory_format=torch.channels_last)


def _filters(n: int, c: int, k: int, size: int, side: int) -> Formulations:
    """Return the algorithms for the correlation."""
    x, w, y = _data(n, c, k, size, side)
    x_last, w_last = _last(x), _last(w)
    block = max(2, block_side(k, (size, size)))
    return {
        "direct": lambda: F.conv2d(x, w),
        "channels last": lambda: F.conv2d(x_last, w_last),
        "patches": lambda: (w.flatten(1) @ F.unfold(x, size)).view_as(y),
        "blocks": lambda: _in_blocks(x, w, (0, 0), block),
        "FFT": lambda: _by_fourier(x, w, (0, 0)),
    }


def _adjoint(n: int, c: int, k: int, size: int, side: int) -> Formulations:
    """Return the algorithms for the adjoint."""
    _, w, y = _data(n, c, k, size, side)
    y_last, w_last = _last(y), _last(w)
    block = max(2, block_side(c, (size, size)))
    flipped = w.flip(2, 3).transpose(0, 1).contiguous()
    return {
        "direct": lambda: F.conv_transpose2d(y, w),
        "channels last": lambda: F.conv_transpose2d(y_last, w_last),
        "patches": lambda: F.fold(w.flatten(1).T @ y.flatten(2), (side, side), size),
        "blocks": lambda: _in_blocks(y, flipped, (size - 1, size - 1), block),
        "FFT": lambda: _by_fourier(y, flipped, (size - 1, size - 1)),
    }


def _gradient(n: int, c: int, k: int, size: int, side: int) -> Formulations:
    """Return the algorithms for the gradient with respect to the filters."""
    x, w, y = _data(n, c, k, size, side)
    x_last, y_last = _last(x), _last(y)
    return {
        "direct": lambda: torch.nn.grad.conv2d_weight(x, w.shape, y),
        "channels last": lambda: torch.nn.grad.conv2d_weight(x_last, w.shape, y_last),
        "patches": lambda: (y.flatten(2) @ F.unfold(x, size).transpose(1, 2)).sum(0).view_as(w),
    }


def _medians(formulations: list[Callable[[], Tensor]], turns: int) -> list[float]:
    """Return the median time of each algorithm in milliseconds, measured in turns."""
    seconds: list[list[float]] = [[] for _ in formulations]
    for _ in range(turns):
        for formulation, taken in zip(formulations, seconds, strict=True):
            formulation()
            start = time.perf_counter()
            formulation()
            taken.append(time.perf_counter() - start)
    return [1e3 * statistics.median(taken) for taken in seconds]
