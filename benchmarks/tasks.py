"""Shared parts of the benchmarks: tasks, command-line options, tables, and the file of results."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from benchmarks.contest import Contestant, Rules, hold
from benchmarks.machine import machine, peers
from benchmarks.tables import contest_table
from scorematching.cli.console import console, errors
from scorematching.images.io.atomic import write_atomically

QuickOption = Annotated[
    bool, typer.Option("--quick", help="Use tiny sizes and few turns, to test that everything works.")
]
OutputOption = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FOLDER", help="Folder for results and plots. It is created if needed."),
]
LimitOption = Annotated[
    float,
    typer.Option("--limit", min=0.1, help="Longest time of one call, in seconds. A slower contestant is stopped."),
]
MemoryOption = Annotated[
    float,
    typer.Option("--memory", min=0.5, help="Largest memory of a contestant, in GB. A larger contestant is stopped."),
]
PriorOption = Annotated[str, typer.Option("--prior", help="Prior file, or name of an included prior.")]
CropOption = Annotated[
    int | None, typer.Option(min=1, help="Side of the middle part that is used, in pixels.", show_default="all")
]
MethodOption = Annotated[
    list[str] | None,
    typer.Option("--method", metavar="TEXT", help="Run only methods whose names contain this; may be repeated."),
]
SeedOption = Annotated[int, typer.Option(help="Seed of the noise.")]
FOLDER = Path("benchmark-results")
LIMIT, MEMORY = 100.0, 12.0

Record = dict[str, Any]
_Named = TypeVar("_Named")


@dataclass(frozen=True)
class Task:
    """Task of a contest, with its contestants.

    Attributes:
        title: Title of the table.
        contestants: Contestants.
        against: Names of the contestants whose times are the reference of the last columns.
        megapixels: Size of the restored image in megapixels, or ``None`` for other tasks.
    """

    title: str
    contestants: Sequence[Contestant]
    against: tuple[str, ...] = ()
    megapixels: float | None = None


def rules(quick: bool, limit: float, memory: float) -> Rules:
    """Return the limits that the command-line options ask for."""
    return Rules(limit, memory * 1e9, turns=3, total=0.3) if quick else Rules(limit, memory * 1e9)


def hold_tasks(title: str, tasks: Iterable[Task], rules: Rules) -> list[Record]:
    """Hold a contest for each task, print its table when it is done, and return the records in order."""
    announce(title)
    records = []
    for task in tasks:
        errors.print(f"{task.title}: {len(task.contestants)} contestants ...", style="dim", highlight=False)
        results = [result.record() for result in hold(task.contestants, rules)]
        print(f"\n### {task.title}\n\n{contest_table(results, task.against, task.megapixels)}", flush=True)
        records.append({"title": task.title, "megapixels": task.megapixels, "results": results})
    return records


def chosen(named: dict[str, _Named], parts: list[str] | None) -> dict[str, _Named]:
    """Return the entries whose names contain one of some texts, or all entries without texts.

    Raises:
        typer.BadParameter: No name does.

    Example:
        >>> chosen({"BM3D, told": 1, "told": 2}, ["BM3D"])
        {'BM3D, told': 1}
    """
    found = {name: one for name, one in named.items() if parts is None or any(part in name for part in parts)}
    if not found:
        raise typer.BadParameter(f"none of {', '.join(named)} contains {' or '.join(parts or ())}")
    return found


def announce(title: str) -> None:
    """Print the title of a benchmark, and a description of the machine."""
    console.print(f"\n## {title}\n", highlight=False)
    console.print(f"{machine()}; {_listed(peers())}", soft_wrap=True, highlight=False)


def write_figures(output: Path, name: str, sections: dict[str, Any]) -> None:
    """Write all numbers of benchmarks to ``NAME.json``, with the machine, the versions and the date."""
    output.mkdir(parents=True, exist_ok=True)
    head = {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "machine": machine()}
    record = json.dumps({**head, "peers": peers(), **sections}, indent=1) + "\n"
    write_atomically(output / f"{name}.json", record.encode())


def _listed(versions: dict[str, str]) -> str:
    """Return names and versions as text."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())
