"""One step of the diagonal recursion, compared with its least work, an ordinary backward pass, and other libraries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import tasks
from benchmarks.contest import Contestant
from benchmarks.networks import Convolutional, Dense, Field, Network
from benchmarks.peers import (
    ebmkit_exact_step,
    energy_step,
    ours_step,
    products_step,
    torchebm_exact_step,
    torchebm_sliced_step,
)
from benchmarks.tasks import Record, Task

FLOOR, OURS = "matrix products", "ours, compiled"
LAMBDAS = (1e-3, 0.0)
#: Title, network, batch, and whether the exact losses of other libraries run in reasonable time.
NETWORKS: tuple[tuple[str, Network, int, bool], ...] = (
    ("product of experts, 144-256, N = 256", Dense((144, 256)), 256, True),
    ("product of experts, 144-256, N = 4096", Dense((144, 256)), 4096, False),
    ("field of experts, 48 of 7x7, 16 crops of 48x48", Field(48, 7, 48), 16, False),
    ("deep dense, 144-256-256, N = 256", Dense((144, 256, 256)), 256, True),
    ("deep convolutional, 2 layers of 32 of 3x3, 16 crops of 32x32", Convolutional((32, 32), 3, 32), 16, False),
)
SMALL: tuple[tuple[str, Network, int, bool], ...] = (
    ("product of experts, 12-16, N = 8", Dense((12, 16)), 8, True),
    ("deep convolutional, 2 layers of 4 of 3x3, 2 crops of 12x12", Convolutional((4, 4), 3, 12), 2, False),
)


def steps(
    quick: tasks.QuickOption = False,
    output: tasks.OutputOption = tasks.FOLDER,
    limit: tasks.LimitOption = tasks.LIMIT,
    memory: tasks.MemoryOption = tasks.MEMORY,
) -> None:
    """Time a step of the paper's recursion, with all gradients.

    Rows: the matrix products of the step alone; an ordinary forward and backward pass of the energy; this library,
    eager and compiled; sliced score matching by torchebm; exact score matching by torchebm and ebmkit where feasible.
    The last two columns are times relative to the compiled step and to the matrix products. On deep networks the
    recursion is an approximation; the command deep measures exact methods. The other libraries have no regularizer, so
    their rows are without it.
    """
    tasks.write_figures(output, "steps", {"steps": run_steps(quick, limit, memory)})


def run_steps(quick: bool, limit: float = tasks.LIMIT, memory: float = tasks.MEMORY) -> list[Record]:
    """Print the tables and return their records."""
    title = "One step of the recursion"
    return tasks.hold_tasks(title, _tasks(SMALL if quick else NETWORKS), tasks.rules(quick, limit, memory))


def _tasks(networks: tuple[tuple[str, Network, int, bool], ...]) -> Iterator[Task]:
    """Yield one task per network and regularizer."""
    for title, network, batch, feasible in networks:
        for lam in LAMBDAS:
            task: dict[str, Any] = {"network": network, "batch": batch}
            ours = {**task, "lam": lam, "curvature": "diagonal"}
            contestants = [
                Contestant(FLOOR, products_step, {**task, "lam": lam}),
                Contestant("energy, forward and backward", energy_step, task),
                Contestant("ours, eager", ours_step, ours),
                Contestant(OURS, ours_step, {**ours, "compiled": True}, compiles=True),
                Contestant("torchebm, sliced, one probe", torchebm_sliced_step, task),
            ]
            if feasible:
                contestants.append(Contestant("torchebm, exact", torchebm_exact_step, task))
                contestants.append(Contestant("ebmkit, exact", ebmkit_exact_step, task))
            yield Task(f"{title}, λ = {lam:g}", contestants, against=(OURS, FLOOR))
