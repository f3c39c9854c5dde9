"""Time and memory of a step against each size of the problem, until one or the other runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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
from benchmarks.tasks import (
    FOLDER,
    MEMORY,
    LimitOption,
    MemoryOption,
    OutputOption,
    QuickOption,
    Record,
    announce,
    write_figures,
)
from scorematching.cli.common import errors

#: Seconds a call: here far fewer than elsewhere, for there are many calls.
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


#: Of these.
COMPILED = ("ours, compiled", "folx")


@dataclass(frozen=True)
class Axis:
    """A size that grows.

    Attributes:
        name: For the plot's axis.
        what: The network and what stays fixed, in words.
        sizes: Growing.
        network: Of a size.
        batch: Of a size.
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
    quick: QuickOption = False, output: OutputOption = FOLDER, limit: LimitOption = LIMIT, memory: MemoryOption = MEMORY
) -> None:
    """Time and added memory of one loss at λ = 0, with its gradient, as the problem grows.

    Sizes: inputs, experts, samples, hidden layers, and images up to 4096 x 4096 pixels. A contestant that takes more
    seconds or more memory than allowed is left out from there on; the table says why. Plots are written as growth.png.
    """
    records = run_growth(quick, limit, memory)
    write_figures(output, "growth", {"growth": records})
    draw_growth(records, output / "growth.png")


def run_growth(quick: bool, limit: float = LIMIT, memory: float = MEMORY) -> list[Record]:
    """The tables, and their records."""
    announce("Growth")
    allowed = Rules(limit, memory * 1e9, turns=3 if quick else 5, total=0.1 if quick else 2.0)
    records = []
    for axis in (AXES[0], AXES[-1]) if quick else AXES:
        points = list(_points(axis, axis.sizes[:2] if quick else axis.sizes, allowed))
        print(f"\n### {axis.name}: {axis.what}\n\n{_table(points)}", flush=True)
        records.append({"axis": axis.name, "what": axis.what, "points": points})
    return records


def _points(axis: Axis, sizes: Sequence[int], rules: Rules) -> Iterator[Record]:
    """At each size, the results of those that have not failed at a smaller one."""
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
    """A row for each contestant, a column for each size: median, and memory that a step adds."""
    rows = [["contestant", *(f"{point['size']}" for point in points)], ["---"] * (len(points) + 1)]
    for name, _, _ in CONTESTANTS:
        found = [{r["name"]: r for r in point["results"]}.get(name) for point in points]
        rows.append([name, *(_cell(result) for result in found)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(result: Record | None) -> str:
    if result is None:
        return "-"
    return result["failure"] or f"{duration(result['median'])}, {size(result['memory'])}"
