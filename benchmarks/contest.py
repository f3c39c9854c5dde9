"""Contestants that do the same task, each in a process of its own, timed in turns so that all see the same conditions.

A machine that others use too is faster in one minute than in the next. So the contestants take turns, and what is
quoted are medians and ratios of one contest.
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

#: Seconds in which a contestant may import its library and set up its step, beside the limit of a call.
SETTING_UP = 120.0
#: Seconds that a contestant which compiles may take for that, in its first call, beside the limit of a call.
COMPILING = 180.0
#: Seconds between two looks at the memory of a contestant at work.
_PAUSE = 0.05


@dataclass(frozen=True)
class Contestant:
    """One way to do the task.

    Attributes:
        name: For tables.
        build: Makes the step, a function without arguments, in the contestant's own process. It is a function of a
            module, since the process gets it by its name.
        options: Its keyword arguments, such as can be pickled.
        compiles: Whether its first call may take longer.
        binds: Whether its OpenMP threads are kept each on a core of its own. Otherwise two may come to share one, and
            each operation then takes several times as long. Not for a library with threads of another kind.
    """

    name: str
    build: Callable[..., Callable[[], object]]
    options: Mapping[str, Any] = field(default_factory=dict)
    compiles: bool = False
    binds: bool = True


@dataclass(frozen=True)
class Rules:
    """How long, how often and with how much memory a contestant may work.

    Attributes:
        call: Seconds a call, after which a contestant is given up.
        memory: Bytes of its process, likewise.
        turns: How many at most.
        total: Seconds after which no contestant gets another turn, once it had one.
    """

    call: float = 100.0
    memory: float = 12e9
    turns: int = 30
    total: float = 15.0


@dataclass
class Result:
    """What came out for one contestant.

    Attributes:
        name: Of the contestant.
        first: Seconds of the first call, which may compile.
        memory: Bytes that a call adds to the largest size of the process; ``None`` where the system does not say.
        seconds: Of a call, one number a turn.
        failure: Why there is no more: "not installed", "too slow", "out of memory", or an error's first line.
    """

    name: str
    first: float | None = None
    memory: int | None = None
    seconds: list[float] = field(default_factory=list)
    failure: str | None = None

    @property
    def median(self) -> float | None:
        """Seconds of a call, or ``None`` after a failure."""
        return float(np.median(self.seconds)) if self.seconds and self.failure is None else None

    @property
    def spread(self) -> float | None:
        """The interquartile range of the seconds, of two turns or more."""
        if self.median is None or len(self.seconds) < 2:
            return None
        lower, upper = np.quantile(self.seconds, (0.25, 0.75))
        return float(upper - lower)

    def record(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**asdict(self), "median": self.median, "spread": self.spread, "runs": len(self.seconds)}


def hold(contestants: Sequence[Contestant], rules: Rules) -> list[Result]:
    """Let the contestants work in turns.

    All are started; then each makes its first call, and a second one by which memory is measured; then they take
    turns until each has had as many as the rules allow.

    Args:
        contestants: Who takes part.
        rules: The limits.

    Returns:
        A result for each, in order.
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
    """A contestant's process, as its parent sees it. After a failure, whatever is asked of it is not done."""

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
        """Until the step is set up."""
        self._answer(SETTING_UP + self.rules.call)

    def warm_up(self) -> None:
        """The first call; and the second, which shows the memory and how many calls fill a turn."""
        self.result.first = self._ask("call", 1, limit=self.first_limit)
        measured = self._ask("measure")
        if measured is not None:
            seconds, self.result.memory = measured
            self.calls = max(1, min(1000, int(0.03 / max(seconds, 1e-6))))

    def take_turn(self) -> None:
        """One turn, unless the contestant has had its time."""
        had = sum(self.result.seconds) * self.calls
        if self.result.seconds and had > self.rules.total:
            return
        seconds = self._ask("call", self.calls)
        if seconds is not None:
            self.result.seconds.append(seconds)

    def stop(self) -> None:
        """End the process, politely if it listens."""
        if self.result.failure is None:
            with contextlib.suppress(OSError):
                self.connection.send(None)
            self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.connection.close()

    def _ask(self, *order: Any, limit: float | None = None) -> Any:
        """Have the contestant do something; its answer, or ``None`` after a failure."""
        if self.result.failure is not None:
            return None
        try:
            self.connection.send(order)
        except OSError:
            return self._fail(self._end())
        return self._answer(self.rules.call if limit is None else limit)

    def _answer(self, limit: float) -> Any:
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
        self.result.failure = reason
        self.process.kill()

    def _end(self) -> str:
        """Why the process is gone. The kernel kills those that have too much memory."""
        self.process.join(5)
        return "out of memory" if self.process.exitcode == -9 else f"its process ended with {self.process.exitcode}"


def _resident(pid: int | None) -> int:
    """Bytes of memory that a process holds; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
