"""Time and memory of a step for growing problem sizes, up to the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import tasks
from benchmarks.contest import Contestant, Rules, hold
from benchmarks.forward_laplacian import folx_step
from benchmarks.networks import Dense, Field, Network
from benchmarks.peers import (
    brute_force_step,
    ebmkit_exact_step,
    ebmkit_sliced_step,
    energy_step,
    ours_step,
    torchebm_exact_step,
    torchebm_sliced_step,
)
from benchmarks.plots import draw_growth
from benchmarks.tables import duration, size
from benchmarks.tasks import Record
from scorematching.cli.console import errors

#: Longest time of a call in seconds. It is shorter than in the other benchmarks, because there are many calls.
LIMIT = 10.0
CONTESTANTS: tuple[tuple[str, Callable[..., Any], dict[str, Any]], ...] = (
    ("ours, eager", ours_step, {"lam": 0.0}),
    ("ours, compiled", ours_step, {"lam": 0.0, "compiled": True}),
    ("energy, forward and backward", energy_step, {}),
    ("torchebm, sliced, one probe", torchebm_sliced_step, {}),
    ("ebmkit, sliced, one probe", ebmkit_sliced_step, {}),
    ("torchebm, exact", torchebm_exact_step, {}),
    ("ebmkit, exact", ebmkit_exact_step, {}),
    ("brute force, torch.func", brute_force_step, {}),
    ("folx", folx_step, {}),
)


#: Contestants that compile in their first call.
COMPILED = ("ours, compiled", "folx")


@dataclass(frozen=True)
class Axis:
    """One growing size of the problem.

    Attributes:
        name: Label of the axis in the plot.
        what: Description of the network and the fixed sizes.
        sizes: Sizes, in growing order.
        network: Function from a size to the network.
        batch: Function from a size to the number of samples.
    """

    name: str
    what: str
    sizes: tuple[int, ...]
    network: Callable[[int], Network]
    batch: Callable[[int], int]


AXES = (
    Axis(
        "inputs D",
        "product of 256 experts, N = 256",
        tuple(4**k for k in range(2, 7)),
        lambda d: Dense((d, 256)),
        lambda _: 256,
    ),
    Axis(
        "experts M",
        "product of experts, D = 64, N = 256",
        tuple(4**k for k in range(2, 7)),
        lambda m: Dense((64, m)),
        lambda _: 256,
    ),
    Axis(
        "samples N",
        "product of experts, 64-128",
        tuple(4**k for k in range(2, 9, 2)),
        lambda _: Dense((64, 128)),
        lambda n: n,
    ),
    Axis(
        "hidden layers",
        "dense, 64 inputs, width 128, N = 64",
        (1, 2, 4, 8),
        lambda depth: Dense((64, *[128] * depth)),
        lambda _: 64,
    ),
    Axis(
        "side of the image in pixels",
        "field of 24 experts of 5x5, one image",
        tuple(4**k for k in range(2, 7)),
        lambda side: Field(24, 5, side),
        lambda _: 1,
    ),
)


def growth(
    quick: tasks.QuickOption = False,
    output: tasks.OutputOption = tasks.FOLDER,
    limit: tasks.LimitOption = LIMIT,
    memory: tasks.MemoryOption = tasks.MEMORY,
) -> None:
    """Measure time and memory of the loss at λ = 0, with its gradient, for growing problem sizes.

    Sizes: inputs, experts, samples, hidden layers, and images of up to 4096 x 4096 pixels. A contestant that exceeds a
    limit is not run at larger sizes; the table says why. Plots are written to growth.png.
    """
    records = run_growth(quick, limit, memory)
    tasks.write_figures(output, "growth", {"growth": records})
    draw_growth(records, output / "growth.png")


def run_growth(quick: bool, limit: float = LIMIT, memory: float = tasks.MEMORY) -> list[Record]:
    """Print the tables and return their records."""
    tasks.announce("Growth")
    allowed = Rules(limit, memory * 1e9, turns=3 if quick else 5, total=0.1 if quick else 2.0)
    records = []
    for axis in (AXES[0], AXES[-1]) if quick else AXES:
        points = list(_points(axis, axis.sizes[:2] if quick else axis.sizes, allowed))
        print(f"\n### {axis.name}: {axis.what}\n\n{_table(points)}", flush=True)
        records.append({"axis": axis.name, "what": axis.what, "points": points})
    return records


def _points(axis: Axis, sizes: Sequence[int], rules: Rules) -> Iterator[Record]:
    """Yield the results at each size, for the contestants that have not failed at a smaller size."""
    alive = [name for name, _, _ in CONTESTANTS]
    for value in sizes:
        errors.print(f"{axis.name} = {value}: {len(alive)} contestants ...", style="dim", highlight=False)
        task = {"network": axis.network(value), "batch": axis.batch(value)}
        entered = [
            Contestant(name, build, {**task, **own}, compiles=name in COMPILED, binds=name != "folx")
            for name, build, own in CONTESTANTS
            if name in alive
        ]
        results = hold(entered, rules)
        alive = [result.name for result in results if result.failure is None]
        yield {"size": value, "results": [result.record() for result in results]}


def _table(points: Sequence[Record]) -> str:
    """Return a table with a row per contestant and a column per size: median time, and memory that a step adds."""
    rows = [["contestant", *(f"{point['size']}" for point in points)], ["---"] * (len(points) + 1)]
    for name, _, _ in CONTESTANTS:
        found = [{r["name"]: r for r in point["results"]}.get(name) for point in points]
        rows.append([name, *(_cell(result) for result in found)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(result: Record | None) -> str:
    """Return the content of a cell: time and memory, or the reason of a failure."""
    if result is None:
        return "-"
    return result["failure"] or f"{duration(result['median'])}, {size(result['memory'])}"
