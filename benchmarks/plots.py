"""Plots of growth: time and memory against each size, on logarithmic axes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scorematching.images.io.atomic import write_atomically

#: What is drawn, its label, and the factor from the record's unit.
_ROWS = (("median", "time of a step (s)", 1.0), ("memory", "memory that a step adds (MB)", 1e-6))
#: Color-blind safe; ours in blue.
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
#: Bytes; less is lost among what the process does besides.
_LEAST_MEMORY = 1e5


def draw_growth(records: Sequence[dict[str, Any]], path: Path) -> None:
    """A row of panels for time and one for memory, a column for each size; the legend is below.

    Args:
        records: Of the growth benchmark.
        path: A ``.png``. The line of a contestant ends before the size at which it failed.
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
    _save(figure, path)


def _curve(points: Sequence[dict[str, Any]], name: str, key: str, factor: float) -> tuple[list[int], list[float]]:
    """Sizes and values where there is one."""
    sizes, values = [], []
    for point in points:
        for result in point["results"]:
            if result["name"] == name and result["failure"] is None and result[key] is not None:
                value = result[key] if key != "memory" else max(result[key], _LEAST_MEMORY)
                sizes.append(point["size"])
                values.append(value * factor)
    return sizes, values


def _dress(axes: Axes, record: dict[str, Any], label: str, last: bool) -> None:
    """Scales, ticks at the sizes, grid, titles."""
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


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    write_atomically(path, buffer.getvalue())
