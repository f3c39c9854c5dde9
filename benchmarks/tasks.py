"""What the benchmarks of speed share: tasks, options of the command line, tables, and the file of figures."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.contest import Contestant, Rules, hold
from benchmarks.machine import machine, peers
from benchmarks.tables import contest_table
from scorematching.cli.common import console, errors
from scorematching.images.io.atomic import write_atomically

QuickOption = Annotated[
    bool, typer.Option("--quick", help="Tiny sizes and few turns: whether everything works, not how fast.")
]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where figures and plots go; made if it isn't there.")
]
LimitOption = Annotated[
    float, typer.Option("--limit", min=0.1, help="Seconds a call, after which a contestant is given up.")
]
MemoryOption = Annotated[
    float, typer.Option("--memory", min=0.5, help="GB of a contestant's process, after which it is given up.")
]
FOLDER = Path("benchmark-results")
LIMIT, MEMORY = 100.0, 12.0

Record = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """Something that contestants do.

    Attributes:
        title: Of the table.
        contestants: Who takes part.
        against: Names of those by whose times the others' are divided.
        megapixels: Of the image, where there is one to restore.
    """

    title: str
    contestants: Sequence[Contestant]
    against: tuple[str, ...] = ()
    megapixels: float | None = None


def rules(quick: bool, limit: float, memory: float) -> Rules:
    """What the options say."""
    return Rules(limit, memory * 1e9, turns=3, total=0.3) if quick else Rules(limit, memory * 1e9)


def hold_tasks(tasks: Sequence[Task], rules: Rules) -> list[Record]:
    """The records of the tasks, in order; the table of each is printed when it is done."""
    records = []
    for task in tasks:
        errors.print(f"{task.title}: {len(task.contestants)} contestants ...", style="dim", highlight=False)
        results = [result.record() for result in hold(task.contestants, rules)]
        print(f"\n### {task.title}\n\n{contest_table(results, task.against, task.megapixels)}", flush=True)
        records.append({"title": task.title, "megapixels": task.megapixels, "results": results})
    return records


def announce(title: str) -> None:
    """The heading of a benchmark, and what it runs on."""
    console.print(f"\n## {title}\n", highlight=False)
    console.print(f"{machine()}; {_listed(peers())}", soft_wrap=True, highlight=False)


def write_figures(output: Path, name: str, sections: dict[str, Any]) -> None:
    """All numbers of some benchmarks as ``NAME.json``, with the machine, the versions and the date."""
    output.mkdir(parents=True, exist_ok=True)
    head = {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "machine": machine()}
    record = json.dumps({**head, "peers": peers(), **sections}, indent=1) + "\n"
    write_atomically(output / f"{name}.json", record.encode())


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
