"""Process of a contestant: it builds the step, and calls it on request."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.machine import forget_peak, peak_memory
from scorematching.cli.process import keep_freed_memory

_OWN = ("scorematching", "benchmarks")
_FULL = ("out of memory", "can't allocate memory", "resource_exhausted", "bad_alloc")


@dataclass(frozen=True)
class Failure:
    """Reason why a contestant failed, in a few words."""

    reason: str


def serve(connection: Connection, build: Callable[..., Callable[[], object]], options: dict[str, Any]) -> None:
    """Answer the parent's requests for times and memory, until it sends ``None``.

    Freed memory is kept by the process between calls, for all contestants alike.
    """
    warnings.simplefilter("ignore")
    keep_freed_memory()
    try:
        step = build(**options)
        connection.send("ready")
        while (order := connection.recv()) is not None:
            kind, *arguments = order
            connection.send(_call(step, *arguments) if kind == "call" else _measure(step))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:
        connection.send(Failure(reason(error)))


def reason(error: Exception) -> str:
    r"""Describe an error in a few words.

    Example:
        >>> reason(ModuleNotFoundError("No module named 'folx'", name="folx")), reason(MemoryError())
        ('not installed', 'out of memory')
        >>> reason(ValueError("wrong\nfor these reasons"))
        'ValueError: wrong'
    """
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] not in _OWN:
        return "not installed"
    if isinstance(error, MemoryError) or any(word in str(error).lower() for word in _FULL):
        return "out of memory"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _call(step: Callable[[], object], calls: int) -> float:
    """Return the time of a call in seconds. Before several short calls, an untimed one fills the caches."""
    time.sleep(0.05)  # threads of the previous contestant may still be busy-waiting
    if calls > 1:
        step()
    start = time.perf_counter()
    for _ in range(calls):
        step()
    return (time.perf_counter() - start) / calls


def _measure(step: Callable[[], object]) -> tuple[float, int | None]:
    """Return the time of a call in seconds, and the bytes that it adds to the peak memory, or ``None`` if unknown."""
    gc.collect()
    _give_back_freed_memory()
    try:
        before = forget_peak()
    except OSError:
        return _call(step, 1), None
    seconds = _call(step, 1)
    return seconds, peak_memory() - before


def _give_back_freed_memory() -> None:
    """Let glibc return freed memory to the kernel, so that it counts when it is used again."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
