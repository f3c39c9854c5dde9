"""The work of ``scorematching noise``: find the noise of each page of each file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from rich.markup import escape
from rich.table import Table

from scorematching.cli.console import console, progress_bar, say
from scorematching.images.io.atomic import check_target, write_atomically
from scorematching.images.io.files import count_pages, find_white_of_file, read_pages
from scorematching.images.io.paths import check_no_input
from scorematching.noise import CorrelatedNoise, NoiseModel, as_record
from scorematching.plotting import figures
from scorematching.plotting.noise_plot import draw_noise
from scorematching.priors.base import Prior
from scorematching.restoration.choice import prior_for_planes
from scorematching.restoration.denoising import denoise
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.noise_estimate import estimate_noise
from scorematching.runtime.progress import Progress


def check_targets(record: Path | None, plot: Path | None, sources: list[Path]) -> None:
    """Raise ``ValueError`` or ``OSError``, before any work, if a file can't be written."""
    for target in (record, plot):
        if target is not None:
            check_target(target)
            check_no_input(target, *sources)
    if plot is not None:
        figures.check_target(plot)
        if len(sources) > 1 or count_pages(sources[0]) > 1:
            raise ValueError(f"--plot takes one image of one page, got {sum(count_pages(path) for path in sources)}")


def describe(
    sources: list[Path],
    prior: Prior | None,
    white: float | None,
    record: Path | None,
    plot: Path | None,
    seed: int,
    device: torch.device,
) -> None:
    """Find the noise of each page, print a table, and write the files that are wanted."""
    table, records = Table("image", "page", "noise", "standard deviation", "correlation of neighbors"), []
    count = sum(count_pages(source) for source in sources)
    with progress_bar("finding the noise") as bar:
        for source in sources:
            data_range = find_white_of_file(source, white, missing=True)
            for page, image in enumerate(read_pages(source), 1):
                model = prior_for_planes(fill_missing(image).planes.data, prior)
                found = estimate_noise(image, model, data_range=data_range, seed=seed, device=device)
                table.add_row(escape(source.name), str(page), *_described(found))
                records.append({"image": source.name, "page": page, "words": str(found), "noise": as_record(found)})
                bar(Progress(len(records), count))
    console.print(table)
    if record is not None:
        write_atomically(record, json.dumps(records).encode())
        say(f"wrote {record}")
    if plot is not None:
        clean = denoise(image, found, model, data_range=data_range, seed=seed, device=device)
        draw_noise(plot, image, clean, found)
        say(f"wrote {plot}")


def _described(noise: NoiseModel) -> tuple[str, str, str]:
    """Return the kind of noise, its standard deviation in each channel, and the correlation of neighbors."""
    if isinstance(noise, CorrelatedNoise):
        levels = np.sqrt(np.einsum("cc->c", noise.autocovariance[..., noise.reach, noise.reach]))
        return "correlated", ", ".join(f"{level:.3g}" for level in levels), f"{noise.neighbors:.2f}"
    return "white", f"{getattr(noise, 'sigma', 0.0):.3g}", "0"
