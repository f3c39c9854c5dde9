"""Exact curvature of deep networks: every exact method of this library, compared with others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import tasks
from benchmarks.contest import Contestant
from benchmarks.forward_laplacian import folx_step
from benchmarks.networks import Convolutional, Dense, Network
from benchmarks.peers import brute_force_step, ebmkit_exact_step, ours_step, torchebm_exact_step
from benchmarks.tasks import Record, Task

OURS = "ours, auto, compiled"
METHODS = ("auto", "full", "jacobian", "coloring")
LAMBDAS = (0.0, 1e-3)
#: Title, network, batch.
NETWORKS: tuple[tuple[str, Network, int], ...] = (
    ("64-128-128-64, N = 64", Dense((64, 128, 128, 64)), 64),
    ("16-256-256, N = 64", Dense((16, 256, 256)), 64),
    ("256-256-256, N = 64", Dense((256, 256, 256)), 64),
    ("2 convolutions, 16 of 3x3 each, 16 crops of 16x16", Convolutional((16, 16), 3, 16), 16),
)
SMALL: tuple[tuple[str, Network, int], ...] = (("6-8-6, N = 8", Dense((6, 8, 6)), 8),)


def deep(
    quick: tasks.QuickOption = False,
    output: tasks.OutputOption = tasks.FOLDER,
    limit: tasks.LimitOption = tasks.LIMIT,
    memory: tasks.MemoryOption = tasks.MEMORY,
) -> None:
    """Time a step of the exact loss of deep networks, with all gradients.

    Rows: the exact methods of this library, eager and compiled, and brute force by torch.func. At λ = 0 the trace of
    the Hessian is enough; there the forward Laplacian of folx (JAX) and the exact losses of torchebm and ebmkit are
    added. Each loss is compared with ours before it is timed. If it differs, its row says so.
    """
    tasks.write_figures(output, "deep", {"deep": run_deep(quick, limit, memory)})


def run_deep(quick: bool, limit: float = tasks.LIMIT, memory: float = tasks.MEMORY) -> list[Record]:
    """Print the tables and return their records."""
    title = "Exact curvature of deep networks"
    return tasks.hold_tasks(title, _tasks(SMALL if quick else NETWORKS), tasks.rules(quick, limit, memory))


def _tasks(networks: tuple[tuple[str, Network, int], ...]) -> Iterator[Task]:
    """Yield one task per network and regularizer."""
    for title, network, batch in networks:
        for lam in LAMBDAS:
            task: dict[str, Any] = {"network": network, "batch": batch}
            contestants = [
                Contestant(
                    f"ours, {method}, {'compiled' if compiled else 'eager'}",
                    ours_step,
                    {**task, "lam": lam, "curvature": method, "compiled": compiled},
                    compiles=compiled,
                )
                for method in METHODS
                for compiled in (False, True)
                if not compiled or method != "coloring"  # coloring is not compiled
            ]
            contestants.append(Contestant("brute force, torch.func", brute_force_step, {**task, "lam": lam}))
            if not lam:
                contestants.append(Contestant("folx", folx_step, task, compiles=True, binds=False))
                contestants.append(Contestant("torchebm, exact", torchebm_exact_step, task))
                contestants.append(Contestant("ebmkit, exact", ebmkit_exact_step, task))
            yield Task(f"{title}, λ = {lam:g}", contestants, against=(OURS,))
