"""Signals that end a process: noted, so that a step can be finished and saved first."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class NotedSignals:
    """Context manager that notes the first SIGINT (Ctrl-C) or SIGTERM. A second one ends the process at once.

    Signals that are ignored stay ignored. In threads other than the main one, which get no signals, it does nothing.

    Attributes:
        number: Number of the noted signal; ``None`` if there was none.

    Example:
        >>> with NotedSignals() as signals:
        ...     signal.raise_signal(signal.SIGINT)
        ...     print("the step is finished")
        ...     signals.number == signal.SIGINT
        the step is finished
        True
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> NotedSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def deliver(self) -> None:
        """Deliver the noted signal, if any, to the handler that was there before."""
        if self.number is not None:
            number, self.number = self.number, None
            signal.raise_signal(number)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.number = number
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
