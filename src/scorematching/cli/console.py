"""Text on the terminal: results, notes, errors, progress bars; and the memory of the process."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from scorematching.runtime.progress import Progress, ProgressCallback

console = Console()
errors = Console(stderr=True)


def say(message: object) -> None:
    """Print a message, in one line, as it is: file names are not broken, and nothing in them is markup."""
    console.print(" ".join(str(message).split()), markup=False, highlight=False, soft_wrap=True)


def print_error(message: object) -> None:
    """Print a message on stderr, in one line, as it is."""
    errors.print(" ".join(str(message).split()), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(title: str, transient: bool = True) -> Iterator[ProgressCallback]:
    """Show a progress bar on stderr, with the figures of the work; it appears with the first step.

    Args:
        title: What is being done.
        transient: Whether the bar disappears at the end, and is shown on terminals only.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn(title),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    bar = Bar(*columns, console=errors, transient=transient, disable=transient and not errors.is_terminal)
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
    """Make glibc keep freed memory in this process; elsewhere do nothing.

    By default it returns the large blocks of every tensor to the kernel, which clears them again page by page at the
    next use: that takes longer than the arithmetic on them.
    """
    if not sys.platform.startswith("linux"):
        return
    m_trim_threshold, m_mmap_threshold, largest = -1, -3, 32 * 1024 * 1024
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(m_mmap_threshold, largest)
        mallopt(m_trim_threshold, 2**31 - 1)
