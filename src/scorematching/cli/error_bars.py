"""The option ``--std`` of ``scorematching denoise``: the error bars of an image or a stack, as a TIFF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from scorematching.cli.options import NATURAL, SELF
from scorematching.images.io.atomic import check_target, whole_file
from scorematching.images.io.files import read_metadata, write_pages
from scorematching.images.io.formats import TIFF_SUFFIXES
from scorematching.images.io.metadata import Metadata, TiffTags
from scorematching.images.io.paths import check_no_input
from scorematching.priors.store import load_prior
from scorematching.restoration.error_bars import check_error_bars


def check_std(std: Path, prior: str, sources: Sequence[Path]) -> None:
    """Raise ``ValueError`` or ``OSError``, before any work, if error bars can't be computed or written.

    Args:
        std: File for the error bars.
        prior: Value of ``--prior``.
        sources: Images to denoise.
    """
    if std.suffix.lower() not in TIFF_SUFFIXES:
        raise ValueError(f"--std takes a file that ends in .tif, because error bars are floating point; got {std}")
    if len(sources) > 1:
        raise ValueError(f"--std takes one image or stack, got {len(sources)} images: denoise one after the other")
    check_target(std)
    check_no_input(std, *sources)
    if prior not in (NATURAL, SELF):
        check_error_bars(load_prior(prior), "auto")


class ErrorBars:
    """Error bars of the pages of a file, kept in a folder until all are known.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.files = folder, list[Path]()

    def add(self, page: np.ndarray) -> None:
        """Keep the error bars of the next page."""
        self.files.append(self._folder / f"{len(self.files)}.npy")
        with whole_file(self.files[-1]) as partial, partial.open("wb") as file:
            np.save(file, page)


@contextmanager
def kept_error_bars(std: Path | None, source: Path) -> Iterator[ErrorBars | None]:
    """Keep the error bars that are added in the block, and write them to a TIFF at its end.

    Args:
        std: File to write, with the resolution of ``source``; ``None`` for no error bars.
        source: File that is denoised.
    """
    if std is None:
        yield None
        return
    before = read_metadata(source)
    with TemporaryDirectory(prefix=f".{std.name}.", dir=std.parent) as folder:
        bars = ErrorBars(Path(folder))
        yield bars
        tags = TiffTags(pages=((),) * len(bars.files))
        write_pages(std, map(np.load, bars.files), Metadata(before.resolution, before.unit, tiff=tags))
