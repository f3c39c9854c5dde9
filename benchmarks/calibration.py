"""Fit the cost model of ``curvature="auto"`` to measured times, and test its choices."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from rich.progress import track
from scipy.optimize import nnls

import scorematching as sm
from benchmarks.architectures import residual
from benchmarks.machine import machine
from scorematching.cli.console import console
from scorematching.curvature.analysis.costs import SECONDS, Cost, method_costs
from scorematching.curvature.auto import METHODS
from scorematching.energies import NICE
from scorematching.layers import Layer, SiLU

#: Steps with a larger predicted time, in seconds, are not measured.
LIMIT = 1.0


def calibration() -> None:
    """Fit the coefficients of the cost model to times of the exact methods on networks of many sizes.

    Copy the printed coefficients to ``SECONDS`` in ``curvature/analysis/costs.py``. The last lines report how often the
    fitted model chooses the fastest exact method, and the times of its choices relative to the fastest.
    """
    measured: list[dict[str, tuple[Cost, float]]] = []
    for energy, x in track(list(_steps()), "measuring", console=console):
        costs = {cost.method: cost for cost in method_costs(energy, x, len(x))}
        affordable = [method for method in costs if costs[method].seconds < LIMIT]
        measured.append({method: (costs[method], _seconds(energy, x, method)) for method in affordable})
    fitted = {method: _fit([row[method] for row in measured if method in row]) for method in SECONDS}
    console.print(machine(), soft_wrap=True)
    for method, rates in fitted.items():
        print(f'    "{method}": ({", ".join(f"{rate:.2g}" for rate in rates)}),')
    _judge(measured, fitted)


def _steps() -> Iterator[tuple[sm.Graph, torch.Tensor]]:
    """Yield networks and batches, from small to large."""
    dense = [(8, 32, 32), (8, 128, 128, 128), (32, 64, 32), (64, 128, 64), (64, 32, 32), (16, 256, 256), (128, 64, 64)]
    builds: list[tuple[Callable[[], sm.Graph], tuple[int, ...]]] = [
        *((lambda w=widths: _dense(w), (widths[0],)) for widths in dense),
        (residual, (64,)),
        (lambda: NICE(32, 64), (32,)),
        *(
            (lambda c=c, k=k: _convolutions(c, k), (1, n, n))
            for c, k, n in [(4, 3, 8), (8, 3, 12), (16, 3, 16), (8, 5, 16)]
        ),
    ]
    for (build, shape), batch in itertools.product(builds, (4, 32, 256)):
        torch.manual_seed(0)
        yield build(), torch.randn(batch, *shape)


def _dense(widths: tuple[int, ...]) -> sm.Graph:
    """Return a fully connected network."""
    layers: list[Layer] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [sm.Linear(inputs, outputs), SiLU()]
    return sm.Sequential(*layers[:-1], sm.StudentT(), sm.WeightedSum(widths[-1]))


def _convolutions(channels: int, kernel: int) -> sm.Graph:
    """Return a network of two convolutions."""
    return sm.Sequential(
        sm.Conv2d(1, channels, kernel),
        SiLU(),
        sm.Conv2d(channels, channels, kernel),
        sm.StudentT(),
        sm.WeightedSum(channels),
    )


def _seconds(energy: sm.Graph, x: torch.Tensor, method: str) -> float:
    """Return the median time of a step in seconds."""
    chosen, times = METHODS[method](), list[float]()
    while len(times) < 4 or (sum(times) < 0.2 and len(times) < 50):
        start = time.perf_counter()
        energy.zero_grad()
        d, d2, _ = chosen.derivatives(energy, x)
        (0.5 * d.square() - d2 + 0.1 * d2.square()).sum().backward()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def _fit(steps: list[tuple[Cost, float]]) -> tuple[float, ...]:
    """Return seconds per multiplication, per number read or written and per call.

    They minimize the squared relative error, and none is negative.
    """
    counts = np.array([[cost.multiplications, cost.touched, cost.calls] for cost, _ in steps], dtype=float)
    seconds = np.array([taken for _, taken in steps])
    rates, _ = nnls(counts / seconds[:, None], np.ones(len(steps)))
    return tuple(float(rate) for rate in rates)


def _judge(measured: list[dict[str, tuple[Cost, float]]], fitted: dict[str, tuple[float, ...]]) -> None:
    """Print how often the fastest exact method is chosen, and how much slower the choices are."""
    losses, right = [], 0
    for row in measured:
        exact = {method: step for method, step in row.items() if method != "diagonal"}
        guess = {
            method: float(np.dot((cost.multiplications, cost.touched, cost.calls), fitted[method]))
            for method, (cost, _) in exact.items()
        }
        chosen, best = min(guess, key=lambda m: guess[m]), min(exact, key=lambda m: exact[m][1])
        right += chosen == best
        losses.append(exact[chosen][1] / exact[best][1])
    mean = math.exp(statistics.mean(math.log(loss) for loss in losses))
    console.print(
        f"chose the fastest exact method in {right} of {len(measured)} steps; time relative to the fastest method: "
        f"{mean:.2f} in the geometric mean, {max(losses):.2f} at worst"
    )
