"""Batches that threads prepare before they are needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

#: Number of batches that each thread prepares ahead.
_AHEAD = 2
#: Rest after each check, in multiples of its time, so that checks take at most a quarter of a core.
_REST = 3.0


class Prefetch(Generic[T]):
    """Results of a function of a number, computed by threads for the numbers that follow the one in use.

    The function must depend on the number alone, so that the results do not depend on the threads.

    Args:
        compute: The function.
        end: Number after the last one.
        threads: Threads to compute in.
        ahead: Count of numbers to compute ahead.
    """

    def __init__(self, compute: Callable[[int], T], end: int, threads: ThreadPoolExecutor, ahead: int) -> None:
        self._compute, self._end, self._threads, self._ahead = compute, end, threads, ahead
        self._coming: dict[int, Future[T]] = {}

    def __getitem__(self, number: int) -> T:
        """Return the result for a number, and begin to compute those of the next ones."""
        wanted = range(number, min(number + 1 + self._ahead, self._end))
        for coming in [coming for coming in self._coming if coming not in wanted]:
            self._coming.pop(coming).cancel()
        for coming in wanted:
            if coming not in self._coming:
                self._coming[coming] = self._threads.submit(self._compute, coming)
        return self._coming.pop(number).result() if number in self._coming else self._compute(number)


@contextmanager
def prefetched(
    compute: Callable[[int], T], end: int, workers: int, checks: Iterable[Callable[[], object]] = ()
) -> Iterator[Callable[[int], T]]:
    """Compute results ahead in threads, within the block, and call the checks one after the other meanwhile.

    An error of a check is raised with the next result. What is not done at the end of the block is left out.

    Args:
        compute: Function of a number alone.
        end: Number after the last one.
        workers: Number of threads; 0 to compute each result when it is needed, without checks.
        checks: Functions that raise an error if a later result would.

    Example:
        >>> with prefetched(lambda number: number**2, end=4, workers=2) as squared:
        ...     [squared(number) for number in range(4)]
        [0, 1, 4, 9]
    """
    if not workers:
        yield compute
        return
    done = threading.Event()

    def check() -> None:
        for one in checks:
            begin = time.monotonic()
            one()
            if done.wait(_REST * (time.monotonic() - begin)):
                return

    threads = ThreadPoolExecutor(workers + 1, "crops")
    results, checked = Prefetch(compute, end, threads, _AHEAD * workers), threads.submit(check)

    def result(number: int) -> T:
        if checked.done():
            checked.result()
        return results[number]

    try:
        yield result
    finally:
        done.set()
        threads.shutdown(cancel_futures=True)
