"""``python -m benchmarks fuzz``: damage image files at random, and read them in processes with limits."""

from __future__ import annotations

import collections
import logging
import multiprocessing as mp
import resource
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.damage import DAMAGES, Damage, check, damaged, samples
from benchmarks.tasks import SeedOption
from scorematching.cli.console import console, progress_bar
from scorematching.runtime.progress import Progress

#: Seconds that one case may take, and memory in bytes: in all, and beyond that of the first cases.
_PATIENCE, _SPACE, _GROWTH = 20.0, 12 * 2**30, 2**30


@dataclass
class _Worker:
    """Process that reads the files of every so many-th case."""

    first: int
    step: int
    last: int
    format: str | None
    seed: int
    next: int = field(init=False)
    process: Any = field(init=False, default=None)
    receiver: Any = field(init=False, default=None)
    heard: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.next = self.first
        self.start()

    def start(self) -> None:
        """Go on with the next case, in a new process."""
        context = mp.get_context("spawn")
        self.receiver, sender = context.Pipe(duplex=False)
        cases = range(self.next, self.last, self.step)
        self.process = context.Process(target=_read_files, args=(cases, self.format, self.seed, sender), daemon=True)
        self.process.start()
        sender.close()
        self.heard = time.monotonic() + 60  # it imports first

    def stop(self) -> int | None:
        """End the process and return its exit status."""
        self.process.kill()
        self.process.join()
        self.receiver.close()
        return self.process.exitcode


def fuzz(
    cases: Annotated[int, typer.Option(min=1, help="Number of damaged files.")] = 1_000_000,
    format: Annotated[
        str | None, typer.Option(help="Damage files of this format only, such as tiff.", show_default="all")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 2,
    keep: Annotated[Path | None, typer.Option(help="Folder for the files that a reader failed on.")] = None,
    seed: SeedOption = 0,
) -> None:
    """Read damaged image files of every format. Each must be read, or refused with an error of one line.

    A file may take 20 seconds. The exit status is 1 if a reader did something else: another exception, a crash, a hang,
    a warning of a library, an image larger than the limit, or much memory.
    """
    if format is not None and format not in samples():
        raise ValueError(f"there is no format {format!r}: expected {', '.join(samples())}")
    record = _Record(cases, format, seed, keep)
    team = [_Worker(k, workers, cases, format, seed) for k in range(workers)]
    try:
        with progress_bar("fuzzing") as bar:
            while busy := [worker for worker in team if worker.next < cases]:
                _advance(busy, record)
                bar(Progress(sum(record.counts.values()), cases, {"failures": len(record.failures)}))
    except KeyboardInterrupt:
        console.print("interrupted")
    for worker in team:
        worker.stop()
    record.print()
    if record.failures:
        raise typer.Exit(1)


@dataclass
class _Record:
    """Outcomes so far."""

    cases: int
    format: str | None
    seed: int
    keep: Path | None
    counts: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, case: int, outcome: str) -> None:
        """Count the outcome of a case. If it is a failure, keep its file."""
        name, suffix, content = _case(case, self.format, self.seed)
        fine = outcome in ("read", "refused")
        self.counts[name, outcome if fine else "failed"] += 1
        if not fine:
            self.failures.append(f"case {case}, {name}: {outcome}")
        if not fine and self.keep is not None:
            self.keep.mkdir(parents=True, exist_ok=True)
            (self.keep / f"{self.seed}-{case}{suffix}").write_bytes(content)

    def print(self) -> None:
        """Print the table of outcomes in Markdown, and the first failures."""
        lines = ["| format | read | refused | failed |", "|---|---|---|---|"]
        for name in sorted({name for name, _ in self.counts}):
            cells = (name, *(f"{self.counts[name, outcome]:,}" for outcome in ("read", "refused", "failed")))
            lines.append(f"| {' | '.join(cells)} |")
        for line in [*lines, *self.failures[:20]]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _advance(busy: list[_Worker], record: _Record) -> None:
    """Take in what workers send within a second. Replace those that crashed or hang."""
    by_receiver: dict[Any, _Worker] = {worker.receiver: worker for worker in busy}
    for receiver in wait(list(by_receiver), timeout=1.0):
        worker = by_receiver[receiver]
        try:
            outcome = worker.receiver.recv()
        except EOFError:
            record.add(worker.next, f"crash, exit status {worker.stop()}")
            worker.next += worker.step
            worker.start()
        else:
            record.add(worker.next, outcome)
            worker.next, worker.heard = worker.next + worker.step, time.monotonic()
    for worker in busy:
        if worker.next < record.cases and time.monotonic() - worker.heard > _PATIENCE:
            worker.stop()
            record.add(worker.next, "hang")
            worker.next += worker.step
            worker.start()


def _case(case: int, format: str | None, seed: int) -> tuple[str, str, bytes]:
    """Return the format, the suffix and the content of a damaged file, always the same for a case."""
    random, files = np.random.default_rng((seed, case)), samples()
    names = [format] if format is not None else list(files)
    name = names[random.integers(len(names))]
    suffix, content = files[name][random.integers(len(files[name]))]
    damages = [
        Damage(
            str(random.choice(DAMAGES)),
            float(random.random() ** (3 if random.random() < 0.5 else 1)),  # headers are at the beginning
            int(random.integers(2**31)),
        )
        for _ in range(random.geometric(0.5))
    ]
    return name, suffix, damaged(content, damages, mended=name == "png" and random.random() < 0.7)


def _read_files(cases: range, format: str | None, seed: int, sender: Connection) -> None:
    """Read the files of cases, and send the outcome of each."""
    resource.setrlimit(resource.RLIMIT_AS, (_SPACE, _SPACE))
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases):
            _, suffix, content = _case(case, format, seed)
            path = Path(folder, f"file{suffix}")
            path.write_bytes(content)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                outcome = check(path)
            except AssertionError as error:
                outcome = " ".join(str(error).split())
            taken = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
            if number and taken > _GROWTH:
                outcome = f"it took {taken:,} bytes of memory"
            sender.send(outcome)
