"""The work of ``scorematching noise``: find the noise of each page of each file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from scorematching.cli.console import cell, console, end_with, failed, progress_bar, say
from scorematching.images.io.atomic import check_target, write_atomically
from scorematching.images.io.files import count_pages, find_white_of_file, read_image, read_pages
from scorematching.images.io.paths import check_outputs
from scorematching.noise import CorrelatedNoise, NoiseEstimate, NoiseModel, as_record, noise_of_frames
from scorematching.plotting import figures
from scorematching.plotting.noise_plot import draw_noise
from scorematching.priors.base import Prior
from scorematching.restoration.choice import prior_for_planes
from scorematching.restoration.denoising import denoise
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.noise_estimate import estimate_noise
from scorematching.restoration.photon_noise import estimate_photon_noise
from scorematching.runtime.progress import Progress


def check_targets(
    record: Path | None, plot: Path | None, sources: list[Path], others: Sequence[Path | str | None]
) -> None:
    """Raise ``ValueError`` or ``OSError``, before any work, if a file can't be written."""
    for target in (record, plot):
        if target is not None:
            check_target(target)
    check_outputs([record, plot], [*sources, *others])
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
    """Find the noise of each page, print a table, and write the files that are wanted.

    Files that can't be read are named at the end.
    """
    table, records, remarks, failures = _table(), [], dict[str, None](), []
    with progress_bar("finding the noise") as bar:
        for number, source in enumerate(sources):
            try:
                data_range, count = find_white_of_file(source, white, missing=True), count_pages(source)
                for page, image in enumerate(read_pages(source), 1):
                    model = prior_for_planes(fill_missing(image).planes.data, prior)
                    noise, found = _found(image, model, data_range, seed, device)
                    table.add_row(cell(source.name), str(page), *_described(noise, found))
                    remarks |= dict.fromkeys(found.remarks if type(noise) is type(found.noise) else ())
                    records.append({"image": source.name, "page": page, **_as_record(noise, found)})
                    bar(Progress(number + page / count, len(sources)))
            except Exception as error:  # it is told for this file, and the others are done
                if len(sources) == 1:
                    raise
                failures.append(failed(source.name, error))
    _show(table, list(remarks), records, record)
    if plot is not None:
        clean = denoise(image, noise, model, data_range=data_range, seed=seed, device=device)
        draw_noise(plot, image, clean, noise)
        say(f"wrote {plot}")
    end_with(failures)


def _found(
    image: np.ndarray, model: Prior, data_range: float, seed: int, device: torch.device
) -> tuple[NoiseModel, NoiseEstimate]:
    """Return the noise of a page, and that of photons with its standard errors, where it can be found."""
    noise = estimate_noise(image, model, data_range=data_range, seed=seed, device=device)
    if isinstance(noise, CorrelatedNoise) or model.noise is None or min(image.shape[:2]) < model.min_size:
        return noise, NoiseEstimate(noise)
    return noise, estimate_photon_noise(image, model, data_range=data_range, seed=seed, device=device)


def describe_frames(frames: Path, dark: Path | None, flat: Path | None, record: Path | None) -> None:
    """Find the noise of frames of one scene, print a table, and write the file that is wanted."""
    scene, dark_frames, flat_frames = (
        None if path is None else np.stack(list(read_pages(path))) for path in (frames, dark, flat)
    )
    assert scene is not None
    found = noise_of_frames(scene, dark_frames, flat_frames)
    table = _table()
    table.add_row(cell(frames.name), f"1-{len(scene)}", *_described(found.noise, found))
    _show(table, list(found.remarks), [{"image": frames.name, **_as_record(found.noise, found)}], record)


def describe_blank(source: Path, record: Path | None) -> None:
    """Measure the noise of an image of an even surface, print a table, and write the file that is wanted."""
    found = NoiseEstimate(CorrelatedNoise.from_blank(read_image(source)))
    table = _table()
    table.add_row(cell(source.name), "1", *_described(found.noise, found))
    _show(table, [], [{"image": source.name, "page": 1, **_as_record(found.noise, found)}], record)


def _table() -> Table:
    return Table("image", "page", "noise", "standard errors")


def _show(table: Table, remarks: list[str], records: list[dict[str, Any]], record: Path | None) -> None:
    """Print a table and remarks, and write the records."""
    console.print(table)
    for remark in remarks:
        say(f"note: {remark}")
    if record is not None:
        write_atomically(record, json.dumps(records).encode())
        say(f"wrote {record}")


def _as_record(noise: NoiseModel, found: NoiseEstimate) -> dict[str, Any]:
    """Return the noise, and the standard errors of its own parameters, for JSON."""
    return {"words": str(noise), "noise": as_record(noise), "standard_errors": _errors(noise, found)}


def _errors(noise: NoiseModel, found: NoiseEstimate) -> dict[str, float]:
    """Return the standard errors of an estimate, if it is of the same kind of noise."""
    return found.standard_errors if type(noise) is type(found.noise) else {}


def _described(noise: NoiseModel, found: NoiseEstimate) -> tuple[str, str]:
    """Return the noise and the standard errors in words."""
    errors = ", ".join(f"{name} {error:.2g}" for name, error in _errors(noise, found).items())
    return str(noise), errors
