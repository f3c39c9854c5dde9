"""Output on the terminal: results, notes, errors and progress bars. It also sets how the process frees memory."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from scorematching.runtime.progress import Progress, ProgressCallback

console = Console()
errors = Console(stderr=True)
#: Errors of one file or its contents; ``RuntimeError`` is torch's own when memory is exhausted.
FAILURES = (ValueError, TypeError, OSError, RuntimeError, MemoryError, OverflowError)


def say(message: object) -> None:
    """Print a message on one line, without line breaks in file names and without markup."""
    console.print(" ".join(str(message).split()), markup=False, highlight=False, soft_wrap=True)


def print_error(message: object) -> None:
    """Print a message on stderr, on one line, without markup."""
    errors.print(" ".join(str(message).split()), markup=False, highlight=False, soft_wrap=True)


def failed(name: str, error: BaseException) -> str:
    """Return the message of an error of a file, or of another part of a job, which names it."""
    message = str(error) or type(error).__name__
    return message if name in message else f"{name}: {message}"


def end_with(failures: list[str]) -> None:
    """Print the errors of files on stderr and exit with status 1, if there are any."""
    for failure in failures:
        print_error(f"error: {failure}")
    if failures:
        raise typer.Exit(1)


@contextmanager
def quiet(wanted: bool) -> Iterator[None]:
    """Print nothing inside, if wanted, such as in all but the first of several processes."""
    before = console.quiet, errors.quiet
    console.quiet = errors.quiet = wanted or errors.quiet
    try:
        yield
    finally:
        console.quiet, errors.quiet = before


@contextmanager
def progress_bar(title: str, transient: bool = True) -> Iterator[ProgressCallback]:
    """Show a progress bar on stderr, with figures such as the loss. It appears with the first step.

    Args:
        title: Name of the task.
        transient: Whether the bar disappears at the end, and is shown on terminals only.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn(title),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    hidden = (transient and not errors.is_terminal) or parent_process() is not None  # that of the main process is shown
    bar = Bar(*columns, console=errors, transient=transient, disable=hidden)
    task = bar.add_task(title, total=None, figures="")

    def update(state: Progress) -> None:
        bar.start()
        figures = ", ".join(f"{name} {value:.3g}" for name, value in state.figures.items())
        bar.update(task, completed=state.step, total=state.steps, figures=figures)

    try:
        yield update
    finally:
        if bar.live.is_started:
            bar.stop()


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
