"""What the commands share that make images of images: a file in, a file out, one page after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

import scorematching as sm
from scorematching.cli.common import step_bar
from scorematching.images import count_pages
from scorematching.restoration.convergence import Monitor
from scorematching.runtime.progress import Step

#: A page and its number, what to call with the steps done and their number, and who is told how far it has come; gives
#: the page as it shall be.
Restoration = Callable[[np.ndarray, int, Step, Monitor], np.ndarray]


def restore_file(source: Path, target: Path, restore: Restoration, title: str, factor: int = 1) -> tuple[int, ...]:
    """Read, restore and write all pages of a file; what else it says is passed on. A progress bar shows how far it is.

    Args:
        source: The file.
        target: Where to write; it appears when it is whole.
        restore: Called for each page.
        title: Of the progress bar.
        factor: How many times larger the pages become.

    Returns:
        How many pages were written, and their shape.
    """
    count, shapes = count_pages(source), []
    metadata = sm.images.read_metadata(source).enlarged(factor)
    with step_bar(title) as bar:

        def pages() -> Iterator[np.ndarray]:
            for number, image in enumerate(sm.images.read_pages(source)):
                step = bar if count == 1 else partial(_within, bar, number, count)
                try:
                    restored = restore(image, number, step, bar.tell)
                except ValueError as error:
                    raise ValueError(f"page {number + 1}: {error}" if count > 1 else str(error)) from None
                shapes.append(restored.shape)
                if count > 1:
                    bar(number + 1, count)
                yield restored

        sm.images.write_pages(target, pages(), metadata)
    return count, *shapes[0]


def _within(step: Callable[[float, int], None], number: int, count: int, done: int, total: int) -> None:
    """How far a page is, as part of all of them."""
    step(number + done / total, count)


def describe_pages(count: int, height: int, width: int, *_: int) -> str:
    """In words, what :func:`restore_file` returns."""
    return f"{width} x {height}" + (f", {count} pages" if count > 1 else "")
