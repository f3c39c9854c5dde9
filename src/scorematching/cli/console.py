"""Output on the terminal: results, notes, errors and progress bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from scorematching.runtime.text import plain

if TYPE_CHECKING:
    from scorematching.runtime.progress import Progress, ProgressCallback

console = Console(emoji=False, highlight=False)
errors = Console(stderr=True, emoji=False, highlight=False)
#: Errors of one file or its contents; ``RuntimeError`` is torch's own when memory is exhausted.
FAILURES = (ValueError, TypeError, OSError, RuntimeError, MemoryError, OverflowError)


def say(message: object) -> None:
    """Print a message on one line, as :func:`scorematching.runtime.text.plain` text without markup."""
    console.print(plain(message), markup=False, soft_wrap=True)


def print_error(message: object) -> None:
    """Print a message on stderr, as :func:`say` does on stdout."""
    errors.print(plain(message), markup=False, soft_wrap=True)


def cell(text: object) -> Text:
    """Return a cell of a table that shows a text without markup."""
    return Text(plain(text))


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
