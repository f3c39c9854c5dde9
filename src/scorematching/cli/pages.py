"""Restoration of files: read a file, restore each page, write the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from scorematching.cli.console import progress_bar, say
from scorematching.cli.options import check_device
from scorematching.cli.prior_choice import named_prior
from scorematching.images.arrays import Planes, to_planes
from scorematching.images.io.files import (
    count_pages,
    find_white_of_file,
    read_image,
    read_metadata,
    read_pages,
    write_pages,
)
from scorematching.images.io.sequence import lines_of_pages
from scorematching.images.neighbors import find_neighbors, is_blank
from scorematching.noise import NoiseModel, as_noise_model
from scorematching.priors.base import Prior
from scorematching.restoration.choice import prior_for_planes
from scorematching.restoration.color import distinct
from scorematching.restoration.inverse import restore
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.operators import LinearOperator
from scorematching.runtime.progress import Progress, ProgressCallback
from scorematching.runtime.text import naming

#: A page, its number, and a progress callback; returns the restored page.
PageFunction = Callable[[np.ndarray, int, ProgressCallback], np.ndarray]


def restore_file(source: Path, target: Path, restore: PageFunction, title: str, factor: int = 1) -> tuple[int, ...]:
    """Read, restore and write all pages of a file, with its metadata and a progress bar.

    Args:
        source: File to read.
        target: File to write. It appears when it is complete.
        restore: Function that is called for each page.
        title: Title of the progress bar.
        factor: Enlargement of the pages.

    Returns:
        The number of pages, and the shape of a page.
    """
    count, shapes = count_pages(source), []
    metadata = read_metadata(source).enlarged(factor)
    with progress_bar(title) as bar:

        def pages() -> Iterator[np.ndarray]:
            for number, image in enumerate(read_pages(source)):
                with naming(_place(number + 1, count, source)):
                    restored = restore(image, number, bar if count == 1 else _within(bar, number, count))
                shapes.append(restored.shape)
                yield restored

        write_pages(target, pages(), metadata)
    return count, *shapes[0]


def _within(bar: ProgressCallback, number: int, count: int) -> ProgressCallback:
    """Rescale the progress of a page to that of all pages."""
    return lambda state: bar(Progress(number + state.step / state.steps, count, state.figures))


def check_pages(source: Path, prior: Prior | None, factor: int = 1) -> None:
    """Check, before any page is restored, that all pages suit the prior.

    Args:
        source: File to read.
        prior: Prior, or ``None`` for the default one for the colors of each page.
        factor: Enlargement of the pages.

    Raises:
        ValueError: A page is too small, or it is grayscale and the prior is a color prior.
    """
    count = count_pages(source)
    for number, page in enumerate(read_pages(source), 1):
        with naming(_place(number, count, source)):
            planes = fill_missing(page).planes.data
            own = prior_for_planes(planes, prior)
            own.check_size(*(factor * n for n in page.shape[:2]))
            own.check_colors(distinct(planes, own))


def neighboring_pages(source: Path, priors: Sequence[Prior]) -> list[list[np.ndarray]]:
    """Return the neighbors of each page of a file, if its prior sees them; none for blank pages.

    Raises:
        ValueError: There are too few pages.
    """
    count = max(prior.config.neighbors for prior in priors)
    if not count:
        return [[] for _ in priors]
    pages, near = list(read_pages(source)), dict[int, list[int]]()
    blank = [is_blank(page) for page in pages]
    for line in lines_of_pages(source):
        with naming(_place(line[0] + 1, 1, source)):
            near |= find_neighbors(line, blank, count)
    return [[pages[n] for n in near.get(number, [])] for number in range(len(pages))]


def _place(page: int, count: int, source: Path) -> str:
    """Return the name of a file, and the number of the page if there are several."""
    return f"{source.name}: page {page}" if count > 1 else source.name


def read_planes(path: Path) -> Planes:
    """Read an image of one page that is not to be restored, such as a mask, as planes.

    Raises:
        ValueError: The file can't be read, or has other pixels.
    """
    image = read_image(path)
    with naming(path.name):
        return to_planes(image)


def restore_observation(
    operator: LinearOperator,
    source: Path,
    target: Path,
    prior: str | Prior | None,
    noise: float | NoiseModel | None,
    white: float | None,
    seed: int,
    device: str,
    title: str,
    factor: int = 1,
) -> None:
    """Restore a file from a linear observation, and print what was written."""
    where, chosen = check_device(device), named_prior(prior) if isinstance(prior, str) else prior
    model = None if noise is None else as_noise_model(noise)
    data_range = find_white_of_file(source, white, own=True)
    check_pages(source, chosen, factor)

    def restored(page: np.ndarray, _: int, progress: ProgressCallback) -> np.ndarray:
        return restore(
            page, operator, chosen, noise=model, data_range=data_range, seed=seed, device=where, progress=progress
        )

    written = restore_file(source, target, restored, title, factor)
    say(f"wrote {target}: {describe_pages(*written)}")


def describe_pages(count: int, height: int, width: int, *_: int) -> str:
    """Describe the result of :func:`restore_file` in words."""
    return f"{width} x {height}" + (f", {count} pages" if count > 1 else "")
