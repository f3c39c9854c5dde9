"""How the process of a command runs: its memory, its threads, its streams, and signals that end it."""

from __future__ import annotations

import ctypes
import functools
import inspect
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, max=1024, help="Number of threads.", show_default="the cores that this process may use"
    ),
]


def prepare() -> None:
    """Set up the process of a command, before it computes."""
    keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for terminals without all letters
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and threading.current_thread() is threading.main_thread():
            signal.signal(getattr(signal, name), _end)


def with_threads(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the option ``--threads``."""

    @functools.wraps(command)
    def run(*, threads: int | None = None, **options: Any) -> None:
        use_threads(threads)
        command(**options)

    known = inspect.signature(command, eval_str=True)
    own = inspect.Parameter("threads", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ThreadsOption)
    run.__signature__ = known.replace(parameters=[*known.parameters.values(), own])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, "threads": ThreadsOption}
    return run


def use_threads(count: int | None) -> None:
    """Set the number of threads of PyTorch.

    By default it is that of the cores that the process may use, by its affinity and the quota of its container. PyTorch
    itself counts all cores of the machine. ``OMP_NUM_THREADS`` takes precedence over the default.
    """
    if count is None:
        if "OMP_NUM_THREADS" in os.environ:
            return
        from joblib import cpu_count

        count = cpu_count(only_physical_cores=True)
    import torch

    torch.set_num_threads(count)


def _end(number: int, _: FrameType | None) -> NoReturn:
    """End the process by an exception, so that files that are being written are deleted."""
    raise SystemExit(128 + number)


def keep_freed_memory() -> None:
    """Make glibc keep freed memory in this process. On systems without glibc, do nothing.

    By default, glibc returns the memory of large tensors to the kernel, which clears it page by page at the next use.
    This takes longer than the arithmetic on the tensors.
    """
    if not sys.platform.startswith("linux"):
        return
    m_trim_threshold, m_mmap_threshold, largest = -1, -3, 32 * 1024 * 1024
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(m_mmap_threshold, largest)
        mallopt(m_trim_threshold, 2**31 - 1)
