"""Signals that end a process: the first is noted, and delivered later; handlers come back."""

from __future__ import annotations

import signal
import threading

import pytest

from scorematching.runtime.signals import NotedSignals


def test_the_first_signal_is_noted_and_the_second_takes_effect() -> None:
    before = signal.getsignal(signal.SIGINT)
    with NotedSignals() as signals:
        signal.raise_signal(signal.SIGINT)
        assert signals.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_noted_signal_is_delivered_to_the_handler_that_was_there(number: int) -> None:
    met: list[int] = []
    before = signal.signal(number, lambda number, _: met.append(number))
    try:
        with NotedSignals() as signals:
            signals.deliver()
            signal.raise_signal(number)
            assert not met
            signals.deliver()
            assert met == [number]
    finally:
        signal.signal(number, before)


def test_ignored_signals_stay_ignored_and_other_threads_are_left_alone() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with NotedSignals() as signals:
            signal.raise_signal(signal.SIGINT)
            assert signals.number is None
    finally:
        signal.signal(signal.SIGINT, before)
    found: list[object] = []

    def elsewhere() -> None:
        with NotedSignals():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [before]
