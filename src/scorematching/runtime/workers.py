"""Run a function for many parts of a job: in this process, in several, or on a cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from scorematching.runtime.extras import required

#: Extra that installs dask.
_EXTRA = "large"
#: Seconds to wait for the scheduler of a cluster.
_PATIENCE = 10
#: Number of times that parts are sent to the processes, if all of those that had them were lost.
_TRIES = 4


class Workers:
    """Where parts of a job are computed. It is a context manager, which starts and ends the processes.

    Args:
        count: Number of processes on this machine, each of one thread; 1 for this process, with all its threads.
        scheduler: Address of the scheduler of a dask cluster, instead of own processes.

    Raises:
        OSError: On entering: there is no scheduler at the address.
        ValueError: On entering: dask is not installed.

    Example:
        >>> found = []
        >>> with Workers() as workers:
        ...     workers.run(lambda shared, part: shared * part, 10, [1, 2], lambda number, result: found.append(result))
        >>> found
        [10, 20]
    """

    def __init__(self, count: int = 1, scheduler: str | None = None) -> None:
        self.count, self.scheduler = count, scheduler
        self._stack = ExitStack()
        self._client: Any = None

    @property
    def is_serial(self) -> bool:
        """Whether parts are computed in this process."""
        return self.count == 1 and self.scheduler is None

    def __enter__(self) -> Workers:
        if self.is_serial:
            return self
        distributed = required("distributed", _EXTRA)
        where = self.scheduler
        if where is None:
            options = {
                "n_workers": self.count,
                "threads_per_worker": 1,
                "memory_limit": 0,
                "dashboard_address": "127.0.0.1:0",
            }
            where = self._stack.enter_context(distributed.LocalCluster(**options, silence_logs=logging.CRITICAL))
        try:
            self._client = self._stack.enter_context(distributed.Client(where, timeout=_PATIENCE))
        except (OSError, ValueError) as error:
            raise OSError(f"there is no dask scheduler at {self.scheduler}: {error}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client = None
        self._stack.close()

    def run(
        self,
        function: Callable[[Any, Any], Any],
        shared: Any,
        parts: Sequence[Any],
        finished: Callable[[int, Any], None],
    ) -> None:
        """Call a function for each part.

        Parts of a process that is lost are done by others. A part with which several processes were lost, or whose
        function raises, ends with the error, and the rest is done.

        Args:
            function: Called with ``shared`` and a part. It must be at the top of a module.
            shared: What all parts need, such as the weights of a prior. It is sent to each process once.
            parts: Parts. Processes get them in this order.
            finished: Called in this process with the number of a part and its result or error, in any order.
        """
        if self._client is None:
            for number, part in enumerate(parts):
                finished(number, _result(function, shared, part))
            return
        left = list(range(len(parts)))
        for _ in range(_TRIES):
            left = self._run(function, shared, parts, left, finished)
        for number in left:
            finished(number, OSError("the processes that computed it were lost"))

    def _run(
        self,
        function: Callable[[Any, Any], Any],
        shared: Any,
        parts: Sequence[Any],
        numbers: list[int],
        finished: Callable[[int, Any], None],
    ) -> list[int]:
        """Run some of the parts, and return the numbers of those that were lost because all processes were."""
        lost: list[int] = []
        if not numbers:
            return lost
        sent = self._client.scatter(shared, broadcast=True, hash=False)
        futures = {
            self._client.submit(_result, function, sent, parts[number], pure=False): number for number in numbers
        }
        keys = {future.key: number for future, number in futures.items()}
        done = required("distributed", _EXTRA).as_completed(list(futures), raise_errors=False)
        futures.clear()  # so that results are freed one by one
        for future in done:
            if future.status in ("finished", "error"):
                finished(keys[future.key], future.result() if future.status == "finished" else future.exception())
            else:
                lost.append(keys[future.key])
        return lost


def _result(function: Callable[[Any, Any], Any], shared: Any, part: Any) -> Any:
    """Return the result of a function, or the error that it raises."""
    try:
        return function(shared, part)
    except Exception as error:  # it is told for this part, and the others are done
        return error
