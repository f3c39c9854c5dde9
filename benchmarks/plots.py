"""Plots of the growth benchmark: time and memory over each size, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scorematching.plotting.figures import save_figure

#: Quantity, label of its axis, and factor from the unit of the records.
_ROWS = (("median", "time of a step (s)", 1.0), ("memory", "memory that a step adds (MB)", 1e-6))
#: Colors and markers, safe for color-blind readers; this library is blue.
_STYLES = (
    ("#92c5de", "o"),
    ("#053061", "o"),
    ("0.5", "x"),
    ("#d6604d", "^"),
    ("#f4a582", "v"),
    ("#b2182b", "s"),
    ("#e08214", "D"),
    ("#762a83", "P"),
    ("#1b7837", "*"),
)
#: Lower bound of drawn memory in bytes. Less can't be measured reliably.
_LEAST_MEMORY = 1e5


def draw_growth(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw a row of panels for time and a row for memory, with a column per size and a legend below.

    The line of a contestant ends before the size at which it failed.

    Args:
        records: Records of the growth benchmark.
        path: File to write, a ``.png``.
    """
    names = list(dict.fromkeys(r["name"] for record in records for p in record["points"] for r in p["results"]))
    figure = Figure(figsize=(4.2 * len(records), 8.4), layout="constrained")
    panels = figure.subplots(len(_ROWS), len(records), squeeze=False)
    for column, record in enumerate(records):
        for row, (key, label, factor) in enumerate(_ROWS):
            axes = panels[row, column]
            for name, (color, marker) in zip(names, _STYLES, strict=False):
                sizes, values = _curve(record["points"], name, key, factor)
                axes.plot(sizes, values, color=color, marker=marker, markersize=4.5, linewidth=1.4, label=name)
            _dress(axes, record, label if column == 0 else "", last=row == len(_ROWS) - 1)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=min(5, len(labels)), fontsize=11)
    save_figure(figure, path)


def _curve(points: Sequence[dict[str, Any]], name: str, key: str, factor: float) -> tuple[list[int], list[float]]:
    """Return the sizes that a contestant has values for, and the values."""
    sizes, values = [], []
    for point in points:
        for result in point["results"]:
            if result["name"] == name and result["failure"] is None and result[key] is not None:
                value = result[key] if key != "memory" else max(result[key], _LEAST_MEMORY)
                sizes.append(point["size"])
                values.append(value * factor)
    return sizes, values


def _dress(axes: Axes, record: dict[str, Any], label: str, last: bool) -> None:
    """Set scales, ticks at the sizes, grid and titles."""
    sizes = [point["size"] for point in record["points"]]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes, [f"{n:,}" for n in sizes], rotation=45, ha="right")
    axes.set_xlim(sizes[0] / 1.2, sizes[-1] * 1.2)
    axes.tick_params(axis="x", which="minor", bottom=False)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylabel(label, fontsize=11)
    if last:
        axes.set_xlabel(record["axis"], fontsize=11)
    else:
        axes.set_title(record["what"], fontsize=10)
