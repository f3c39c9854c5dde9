"""Images restored a second: Tweedie's formula and MAP with priors, against BM3D and non-local means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.contest import Contestant
from benchmarks.denoisers import (
    bm3d_step,
    deep_field,
    field_of_experts,
    map_step,
    non_local_means_step,
    tweedie_step,
)
from benchmarks.peers import Step
from benchmarks.tasks import (
    FOLDER,
    LIMIT,
    MEMORY,
    LimitOption,
    MemoryOption,
    OutputOption,
    QuickOption,
    Record,
    Task,
    announce,
    hold_tasks,
    rules,
    write_figures,
)
from scorematching.priors.info import PriorInfo

OURS = "field prior, Tweedie, compiled"
#: Sides of the images; MAP and the classics only up to the second and the third number.
SIDES, LARGEST_MAP, LARGEST_BM3D = (256, 512, 1024, 4096), 1024, 512
SMALL = (64,)


def throughput(
    quick: QuickOption = False, output: OutputOption = FOLDER, limit: LimitOption = LIMIT, memory: MemoryOption = MEMORY
) -> None:
    """Megapixels a second of denoising one square image, noise of level 25.

    Rows: Tweedie's formula, which is one score, and MAP with a field of 48 experts of 7x7; Tweedie's formula with a
    deep energy, that of ``natural-gray``: half the squared norm of a residual network of ten convolutions on the
    image folded to half its size, four channels; BM3D, and non-local means of scikit-image at its usual setting. The
    priors are not trained: the time does not depend on the weights, but for
    the number of iterations of MAP, 30 at most.
    """
    write_figures(output, "throughput", {"throughput": run_throughput(quick, limit, memory)})


def run_throughput(quick: bool, limit: float = LIMIT, memory: float = MEMORY) -> list[Record]:
    """The tables, and their records."""
    announce("Images restored")
    return hold_tasks(list(_tasks(quick)), rules(quick, limit, memory))


def _tasks(quick: bool) -> Iterator[Task]:
    field = field_of_experts(4, 3) if quick else field_of_experts(48, 7)
    deep = deep_field(4, 2) if quick else deep_field(64, 10)
    for side in SMALL if quick else SIDES:
        both: list[tuple[str, dict[str, Any]]] = [
            (name, {"side": side, "compiled": name == "compiled"}) for name in ("eager", "compiled")
        ]
        ours: list[tuple[str, Callable[..., Step], PriorInfo]] = [
            ("field prior, Tweedie", tweedie_step, field),
            ("deep prior, Tweedie", tweedie_step, deep),
        ]
        ours += [("field prior, MAP", map_step, field)] if side <= LARGEST_MAP else []
        contestants = [
            Contestant(f"{name}, {how}", build, {**task, "info": info}, compiles=how == "compiled")
            for name, build, info in ours
            for how, task in both
        ]
        if side <= LARGEST_MAP:
            contestants.append(Contestant("non-local means, scikit-image", non_local_means_step, {"side": side}))
        if side <= LARGEST_BM3D:
            contestants.append(Contestant("BM3D", bm3d_step, {"side": side}))
        yield Task(f"{side} x {side} pixels", contestants, against=(OURS,), megapixels=side**2 / 1e6)
