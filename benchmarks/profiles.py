"""Profile of a compiled step: matrix products, fused pointwise operations, and overhead."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from torch._inductor import config
from torch.profiler import ProfilerActivity, profile

from benchmarks.networks import Network
from benchmarks.peers import ours_step, products_step
from benchmarks.steps import LAMBDAS, NETWORKS, SMALL
from benchmarks.tables import duration
from benchmarks.tasks import FOLDER, OutputOption, QuickOption, Record, announce, write_figures
from scorematching.cli.console import errors
from scorematching.cli.process import keep_freed_memory

#: Operations of PyTorch that are matrix products. Convolutions are recognized by their names.
_PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm")
_RUNS, _PROFILED = 60, 20


@dataclass(frozen=True)
class Profile:
    """Times of one step in seconds, by kind of operation.

    Attributes:
        title: Description of the step.
        floor: Time of the matrix products of the step alone.
        step: Time of the whole step.
        products: Time of matrix products and convolutions within the step.
        fused: Time of the fused kernels for pointwise operations within the step.
    """

    title: str
    floor: float
    step: float
    products: float
    fused: float

    @property
    def rest(self) -> float:
        """Overhead in seconds: Python, checks, guards of the compiled program, autograd."""
        return self.step - self.products - self.fused


def profiles(quick: QuickOption = False, output: OutputOption = FOLDER) -> None:
    """Profile the compiled steps of the command [bold]steps[/bold].

    "products" and "pointwise" are measured within the step by the profiler of PyTorch. "rest" is the time of the step
    without the profiler, minus these two. "products alone" is the least work: the same products, into allocated
    memory.
    """
    announce("Profile of a compiled step")
    found = list(_profiles(SMALL if quick else NETWORKS))
    print(f"\n{_table(found)}", flush=True)
    write_figures(output, "profiles", {"profiles": [{**asdict(p), "rest": p.rest} for p in found]})


def _profiles(networks: tuple[tuple[str, Network, int, bool], ...]) -> Iterator[Profile]:
    """Yield the profiles. Each is measured in its own process, with threads bound to cores."""
    os.environ["OMP_PROC_BIND"] = "true"
    for (title, network, batch, _), lam in itertools.product(networks, LAMBDAS):
        errors.print(f"{title}, λ = {lam:g} ...", style="dim", highlight=False)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            yield Profile(f"{title}, λ = {lam:g}", *pool.apply(_measured, (network, batch, lam)))


def _measured(network: Network, batch: int, lam: float) -> tuple[float, float, float, float]:
    """Return floor, step, products and fused in seconds: medians of turns, and means of the profiler."""
    keep_freed_memory()
    with config.patch({"cpp.enable_kernel_profile": True}):
        step = ours_step(network, batch, lam, "diagonal", compiled=True)
        floor = products_step(network, batch, lam)
        for work in (step, floor) * 3:
            work()
        times = np.array([[_seconds(work) for work in (floor, step)] for _ in range(_RUNS)])
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            for _ in range(_PROFILED):
                step()
    alone, whole = np.median(times, axis=0)
    parts: Record = {"products": 0.0, "fused": 0.0}
    for event in seen.key_averages():
        if event.key.startswith("graph_"):
            parts["fused"] += event.self_cpu_time_total
        elif event.key in _PRODUCTS or "convolution" in event.key:
            parts["products"] += event.self_cpu_time_total
    return float(alone), float(whole), *(1e-6 * parts[name] / _PROFILED for name in ("products", "fused"))


def _seconds(work: Callable[[], object]) -> float:
    """Return the time of a call in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _table(found: list[Profile]) -> str:
    """Return a table with a row per step."""
    rows = [["step", "products alone", "whole step", "products", "pointwise", "rest"], ["---"] * 6]
    for p in found:
        rows.append([p.title, *(duration(seconds) for seconds in (p.floor, p.step, p.products, p.fused, p.rest))])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
