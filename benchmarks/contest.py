"""Contests: several implementations of one task, each in its own process, timed in turns.

The speed of a shared machine changes from minute to minute. The contestants take turns so that all of them see the
same conditions. Compare only medians of the same contest.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestant import Failure, serve

#: Extra time for imports and setup of a contestant, in seconds, added to the limit of a call.
SETTING_UP = 120.0
#: Extra time for compilation in the first call, in seconds, added to the limit of a call.
COMPILING = 180.0
#: Interval between checks of a contestant's memory, in seconds.
_PAUSE = 0.05


@dataclass(frozen=True)
class Contestant:
    """One implementation of a task.

    Attributes:
        name: Name in tables.
        build: Function that returns the step, a function without arguments. It is called in the contestant's process,
            which imports it by name, so it must be defined at the top level of a module.
        options: Keyword arguments of ``build``. They must be picklable.
        compiles: Whether the first call compiles and may take longer.
        binds: Whether each OpenMP thread is bound to its own core. Without binding, two threads may share a core, and
            each operation then takes several times longer. False for libraries with other kinds of threads.
    """

    name: str
    build: Callable[..., Callable[[], object]]
    options: Mapping[str, Any] = field(default_factory=dict)
    compiles: bool = False
    binds: bool = True


@dataclass(frozen=True)
class Rules:
    """Limits of a contest.

    Attributes:
        call: Longest time of one call, in seconds. A slower contestant is stopped.
        memory: Largest memory of a contestant's process, in bytes. A larger contestant is stopped.
        turns: Maximum number of turns.
        total: Time in seconds after which a contestant gets no further turns. It gets at least one.
    """

    call: float = 100.0
    memory: float = 12e9
    turns: int = 30
    total: float = 15.0


@dataclass
class Result:
    """Result of one contestant.

    Attributes:
        name: Name of the contestant.
        first: Time of the first call in seconds, including compilation.
        memory: Bytes that a call adds to the peak memory of the process, or ``None`` if the system does not report it.
        seconds: Time of a call in seconds, one number per turn.
        failure: Why the contestant failed: "not installed", "too slow", "out of memory", or the first line of an
            error. ``None`` if it did not fail.
    """

    name: str
    first: float | None = None
    memory: int | None = None
    seconds: list[float] = field(default_factory=list)
    failure: str | None = None

    @property
    def median(self) -> float | None:
        """Median time of a call in seconds, or ``None`` after a failure."""
        return float(np.median(self.seconds)) if self.seconds and self.failure is None else None

    @property
    def spread(self) -> float | None:
        """Interquartile range of the times in seconds, or ``None`` with fewer than two turns."""
        if self.median is None or len(self.seconds) < 2:
            return None
        lower, upper = np.quantile(self.seconds, (0.25, 0.75))
        return float(upper - lower)

    def record(self) -> dict[str, Any]:
        """Return all numbers as a dictionary, for JSON."""
        return {**asdict(self), "median": self.median, "spread": self.spread, "runs": len(self.seconds)}


def hold(contestants: Sequence[Contestant], rules: Rules) -> list[Result]:
    """Hold a contest.

    All contestants are started. Each makes a first call, and a second call to measure memory. Then they take turns
    until the limits are reached.

    Args:
        contestants: Contestants.
        rules: Limits.

    Returns:
        Results in the order of the contestants.
    """
    workers = [_Worker(contestant, rules) for contestant in contestants]
    try:
        for worker in workers:
            worker.wait_until_ready()
        for worker in workers:
            worker.warm_up()
        for _ in range(rules.turns):
            for worker in workers:
                worker.take_turn()
    finally:
        for worker in workers:
            worker.stop()
    return [worker.result for worker in workers]


class _Worker:
    """Process of a contestant, as its parent controls it. After a failure, all requests are ignored."""

    def __init__(self, contestant: Contestant, rules: Rules) -> None:
        self.rules, self.result = rules, Result(contestant.name)
        self.calls = 1
        self.first_limit = rules.call + (COMPILING if contestant.compiles else 0.0)
        context = multiprocessing.get_context("spawn")
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(theirs, contestant.build, dict(contestant.options)), daemon=True
        )
        os.environ["OMP_PROC_BIND"] = "true" if contestant.binds else "false"  # for the process that is started
        self.process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Wait until the step is set up."""
        self._answer(SETTING_UP + self.rules.call)

    def warm_up(self) -> None:
        """Make the first call, and a second call that measures the memory and how many calls fill a turn."""
        self.result.first = self._ask("call", 1, limit=self.first_limit)
        measured = self._ask("measure")
        if measured is not None:
            seconds, self.result.memory = measured
            self.calls = max(1, min(1000, int(0.03 / max(seconds, 1e-6))))

    def take_turn(self) -> None:
        """Take one turn, unless the contestant's total time is used up."""
        had = sum(self.result.seconds) * self.calls
        if self.result.seconds and had > self.rules.total:
            return
        seconds = self._ask("call", self.calls)
        if seconds is not None:
            self.result.seconds.append(seconds)

    def stop(self) -> None:
        """End the process. It is asked to end, and killed if it does not."""
        if self.result.failure is None:
            with contextlib.suppress(OSError):
                self.connection.send(None)
            self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.connection.close()

    def _ask(self, *order: Any, limit: float | None = None) -> Any:
        """Send a request to the contestant, and return its answer, or ``None`` after a failure."""
        if self.result.failure is not None:
            return None
        try:
            self.connection.send(order)
        except OSError:
            return self._fail(self._end())
        return self._answer(self.rules.call if limit is None else limit)

    def _answer(self, limit: float) -> Any:
        """Wait for an answer, up to a time limit in seconds."""
        deadline = time.monotonic() + limit
        try:
            while not self.connection.poll(_PAUSE):
                if time.monotonic() > deadline:
                    return self._fail("too slow")
                if _resident(self.process.pid) > self.rules.memory:
                    return self._fail("out of memory")
            answer = self.connection.recv()
        except (EOFError, OSError):
            return self._fail(self._end())
        return self._fail(answer.reason) if isinstance(answer, Failure) else answer

    def _fail(self, reason: str) -> None:
        """Record a failure and kill the process."""
        self.result.failure = reason
        self.process.kill()

    def _end(self) -> str:
        """Return why the process ended. The kernel kills a process that runs out of memory."""
        self.process.join(5)
        return "out of memory" if self.process.exitcode == -9 else f"its process ended with {self.process.exitcode}"


def _resident(pid: int | None) -> int:
    """Return the memory of a process in bytes, or 0 if the system does not report it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
