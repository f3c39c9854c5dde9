"""Throughput of denoising: Tweedie's formula and MAP with priors, compared with BM3D and non-local means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import tasks
from benchmarks.contest import Contestant
from benchmarks.denoisers import bm3d_step, non_local_means_step, prior_step
from benchmarks.tasks import Record, Task
from scorematching.priors.architecture import DeepConfig, FieldConfig, ModelConfig

OURS = "field prior, Tweedie, compiled"
#: Sides of the images in pixels; the largest side for MAP and non-local means; and the largest side for BM3D.
SIDES, LARGEST_MAP, LARGEST_BM3D = (256, 512, 1024, 4096), 1024, 512
SMALL = (64,)


def throughput(
    quick: tasks.QuickOption = False,
    output: tasks.OutputOption = tasks.FOLDER,
    limit: tasks.LimitOption = tasks.LIMIT,
    memory: tasks.MemoryOption = tasks.MEMORY,
) -> None:
    """Time the denoising of a square image with noise of level 25, in megapixels per second.

    Rows: Tweedie's formula, which needs one score, and MAP, both with a field of 48 experts of 7x7; Tweedie's formula
    with the deep energy of ``natural-gray``, a residual network of ten convolutions on blocks of 2 x 2 pixels; BM3D;
    and non-local means of scikit-image with its usual setting. The priors are not trained. The weights affect only the
    number of iterations of MAP, at most 30.
    """
    tasks.write_figures(output, "throughput", {"throughput": run_throughput(quick, limit, memory)})


def run_throughput(quick: bool, limit: float = tasks.LIMIT, memory: float = tasks.MEMORY) -> list[Record]:
    """Print the tables and return their records."""
    return tasks.hold_tasks("Throughput of denoising", _tasks(quick), tasks.rules(quick, limit, memory))


def _tasks(quick: bool) -> Iterator[Task]:
    """Yield one task per image size."""
    field = FieldConfig(4, 3) if quick else FieldConfig(48, 7)
    deep = DeepConfig(4, depth=2) if quick else DeepConfig(64, depth=10)
    for side in SMALL if quick else SIDES:
        both: list[tuple[str, dict[str, Any]]] = [
            (name, {"side": side, "compiled": name == "compiled"}) for name in ("eager", "compiled")
        ]
        ours: list[tuple[str, str, ModelConfig]] = [
            ("field prior, Tweedie", "tweedie", field),
            ("deep prior, Tweedie", "tweedie", deep),
        ]
        ours += [("field prior, MAP", "map", field)] if side <= LARGEST_MAP else []
        contestants = [
            Contestant(
                f"{name}, {how}", prior_step, {**task, "model": model, "method": method}, compiles=how == "compiled"
            )
            for name, method, model in ours
            for how, task in both
        ]
        if side <= LARGEST_MAP:
            contestants.append(Contestant("non-local means, scikit-image", non_local_means_step, {"side": side}))
        if side <= LARGEST_BM3D:
            contestants.append(Contestant("BM3D", bm3d_step, {"side": side}))
        yield Task(f"{side} x {side} pixels", contestants, against=(OURS,), megapixels=side**2 / 1e6)
