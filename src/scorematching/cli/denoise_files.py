"""The work of ``scorematching denoise``: one file, or several files one after the other."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from scorematching._version import __version__
from scorematching.cli.console import cell, console, end_with, say
from scorematching.cli.error_bars import ErrorBars, kept_error_bars
from scorematching.cli.pages import check_pages, describe_pages, neighboring_pages, restore_file
from scorematching.cli.parts import Parts
from scorematching.cli.raw_files import denoise_undeveloped, is_undeveloped
from scorematching.images.io.atomic import check_folder, check_target, write_atomically
from scorematching.images.io.files import count_pages, find_white_of_file, read_image, read_pages
from scorematching.images.io.formats import IMAGE_SUFFIXES, name_of_result
from scorematching.images.io.paths import check_no_input, check_output
from scorematching.noise import GaussianNoise, NoiseModel, as_record
from scorematching.plotting.html_report import check_reference, write_page
from scorematching.priors.base import Prior
from scorematching.priors.store import checksum
from scorematching.restoration.certificate import Certificate, certify
from scorematching.restoration.choice import prior_for_planes
from scorematching.restoration.denoising import denoise
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.noise_estimate import estimate_noise
from scorematching.runtime.journal import Journal
from scorematching.runtime.progress import ProgressCallback
from scorematching.runtime.workers import Workers


@dataclass(frozen=True)
class Job:
    """Settings that are the same for all files.

    Attributes:
        noise: Noise, or ``None`` to estimate it for each page.
        prior: Prior, or ``None`` for the default one for the colors of each page.
        self_ensemble: Whether to average over rotations and reflections.
        fast: Whether to remove correlated noise by one call of the prior.
        white: Pixel value of white, if given.
        seed: Seed of all random numbers.
        device: Device to compute on.
        report: File for the report on the result, if wanted.
        reference: Clean image for the report, if given.
        record: File for the certificates of the pages, as JSON, if wanted.
        std: File for the error bars, if wanted.
    """

    noise: NoiseModel | None
    prior: Prior | None
    self_ensemble: bool
    fast: bool
    white: float | None
    seed: int
    device: torch.device
    report: Path | None
    reference: Path | None
    std: Path | None = None
    record: Path | None = None


def find_targets(folder: Path, sources: list[Path]) -> list[Path]:
    """Return the target file of each image, in a folder that exists or can be created."""
    if not folder.is_dir() and (folder.exists() or folder.suffix.lower() in IMAGE_SUFFIXES):
        why = f"{len(sources)} images need a folder" if len(sources) > 1 else "expected a folder, or a new name.png"
        raise NotADirectoryError(f"{folder} is the name of a file: {why}")
    check_folder(folder if folder.is_dir() else folder.parent)
    targets = [folder / name_of_result(source) for source in sources]
    if len(set(targets)) < len(targets):
        name = next(target for target in targets if targets.count(target) > 1)
        both = " and ".join(str(source) for source, target in zip(sources, targets, strict=True) if target == name)
        raise ValueError(f"two images are called {name.name}: {both}; denoise them one after the other, or rename one")
    for source, target in zip(sources, targets, strict=True):
        if target.name != source.name and target.exists() and target.parent.samefile(source.parent):
            raise ValueError(f"the result of {source} would replace {target}: choose another folder")
    return targets


def check_report(report: Path | None, reference: Path | None, sources: list[Path]) -> None:
    """Raise ``ValueError`` or ``OSError``, before any work, if the report can't be written."""
    if report is None:
        if reference is not None:
            raise ValueError("--reference needs --report: its figures are shown there")
        return
    check_target(report)
    if len(sources) > 1 or count_pages(sources[0]) > 1 or report.suffix.lower() not in (".html", ".htm"):
        count = sum(count_pages(source) for source in sources)
        raise ValueError(f"--report takes a file that ends in .html, for one image; got {report} and {count} images")
    if reference is not None:
        check_reference(read_image(reference), read_image(sources[0]))


def check_record(record: Path, sources: list[Path]) -> None:
    """Raise ``ValueError`` or ``OSError``, before any work, if certificates can't be written."""
    check_target(record)
    if len(sources) > 1:
        raise ValueError(f"--json takes one image or stack, got {len(sources)} images: denoise one after the other")
    check_no_input(record, *sources)


def denoise_one(job: Job, source: Path, target: Path) -> None:
    """Denoise a file, and print what was written."""
    noise, _ = _denoise(job, source, target)
    how = "found" if job.noise is None else "given"
    say(f"wrote {target}; noise {how}: {describe_noise(noise)}")


def denoise_all(
    job: Job, sources: list[Path], targets: list[Path], overwrite: bool, workers: Workers, resume: bool
) -> None:
    """Denoise files, one after the other or several at once. Files that can't be denoised are named at the end.

    A journal in the folder of the results lists what is done until the end.
    """
    folder = targets[0].parent
    folder.mkdir(exist_ok=True)
    table = Table("image", "pixels", "noise")
    files = {source.name: (source, target) for source, target in zip(sources, targets, strict=True)}
    with workers, Journal(folder / ".denoise.journal", described(job), resume) as journal:
        for name, (source, target) in files.items():
            known = journal.done.get(name)
            if not (isinstance(known, list) and len(known) == 3 and known[0] == _state(source) and target.exists()):
                journal.done.pop(name, None)
        parts = Parts(workers, journal)
        done = parts.run(_denoise_of_all, (job, overwrite), files, None if workers.is_serial else "denoising")
    for name, (_, *figures) in done.items():
        table.add_row(*map(cell, (name, *figures)))
    console.print(table)
    say(f"wrote {table.row_count} images to {folder}/")
    parts.journal.remove()
    end_with(parts.failures)


def _state(source: Path) -> list[Any]:
    """Return what tells whether a file is the same: its place, its size and the time of its last change."""
    found = source.stat()
    return [os.path.realpath(source), found.st_size, found.st_mtime_ns]


def _denoise_of_all(shared: tuple[Job, bool], paths: tuple[Path, Path]) -> list[Any]:
    """Denoise one of several files. Return its state, and descriptions of its pixels and of its noise."""
    (job, overwrite), state = shared, _state(paths[0])
    check_output(paths[1], paths[0], overwrite=overwrite)
    noise, written = _denoise(job, *paths)
    return [state, describe_pages(*written), describe_noise(noise)]


def described(job: Job) -> dict[str, Any]:
    """Return what results depend on, as JSON."""
    return {
        "version": __version__,
        "noise": None if job.noise is None else as_record(job.noise),
        "prior": "natural" if job.prior is None else checksum(job.prior),
        "self-ensemble": job.self_ensemble,
        "fast": job.fast,
        "white": job.white,
        "seed": job.seed,
    }


def _denoise(job: Job, source: Path, target: Path) -> tuple[list[NoiseModel], tuple[int, ...]]:
    """Read, denoise and write a file. Return the noise of each page, and the number and the shape of the pages."""
    if is_undeveloped(job, source):
        return denoise_undeveloped(job, source, target)
    before = [] if job.report is None and job.record is None else list(read_pages(source))
    data_range = find_white_of_file(source, job.white, missing=True)
    check_pages(source, job.prior)
    pages = [_known(job, image, data_range) for image in read_pages(source)]
    if all(noise == GaussianNoise(0) for _, noise in pages):
        raise ValueError(f"no noise was found in {source.name}: pass --sigma")
    near = neighboring_pages(source, [prior for prior, _ in pages])
    for prior in dict.fromkeys(prior for prior, _ in pages):
        there = [noise for own, noise in pages if own is prior and noise != GaussianNoise(0)]
        note_where_approximate(prior, there, data_range)

    def denoised(page: np.ndarray, number: int, progress: ProgressCallback, bars: ErrorBars | None) -> np.ndarray:
        prior, noise = pages[number]
        options = _options(job, data_range) | {"neighbors": near[number]}
        if bars is None:
            return denoise(page, noise, prior, progress=progress, **options)
        clean, std = denoise(page, noise, prior, progress=progress, return_std=True, **options)
        bars.add(std)
        return clean

    with kept_error_bars(job.std, source) as bars:
        written = restore_file(source, target, partial(denoised, bars=bars), "denoising")
    noise = [noise for _, noise in pages]
    certificates = [
        _certified(job, image, clean, *known, data_range, around)
        for image, clean, known, around in zip(before, read_pages(target), pages, near, strict=False)
    ]
    if job.record is not None:
        records = [{"page": page, **one.as_record()} for page, one in enumerate(certificates, 1)]
        write_atomically(job.record, json.dumps({"image": source.name, "pages": records}).encode())
    if job.report is not None:
        write_page(
            job.report,
            before[0],
            read_image(target),
            certificates[0],
            title=f"{source.name}, denoised",
            found=job.noise is None,
            data_range=job.white,
            reference=None if job.reference is None else read_image(job.reference),
            std=None if job.std is None else read_image(job.std),
        )
    return noise, written


def _options(job: Job, data_range: float) -> dict[str, Any]:
    """Return the options of ``denoise`` that are the same for all pages."""
    return {
        "self_ensemble": job.self_ensemble,
        "fast": job.fast,
        "data_range": data_range,
        "seed": job.seed,
        "device": job.device,
    }


def _certified(
    job: Job,
    image: np.ndarray,
    clean: np.ndarray,
    prior: Prior,
    noise: NoiseModel,
    data_range: float,
    neighbors: list[np.ndarray],
) -> Certificate:
    """Return the certificate of a page. The page is denoised once more."""

    def again(page: np.ndarray) -> np.ndarray:
        if prior.images > 1 and not neighbors:
            return page  # blank
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # given for the result itself already
            near = [one.astype(page.dtype) for one in neighbors]  # what is simulated is floating point
            return denoise(page, noise, prior, neighbors=near, **_options(job, data_range))

    return certify(image, clean, noise, again, data_range, job.seed)


def _known(job: Job, image: np.ndarray, data_range: float) -> tuple[Prior, NoiseModel]:
    """Return the prior and the noise of a page."""
    prior = prior_for_planes(fill_missing(image).planes.data, job.prior)
    if job.noise is not None:
        return prior, job.noise
    return prior, estimate_noise(image, prior, data_range=data_range, seed=job.seed, device=job.device)


def describe_noise(noise: Sequence[NoiseModel]) -> str:
    """Describe the noise of several pages: for each kind of noise, the lowest and the highest level."""
    words = []
    for kind in dict.fromkeys(map(type, noise)):
        alike = sorted((one for one in noise if type(one) is kind), key=lambda one: getattr(one, "sigma", 0.0))
        low, high = (
            f"{one.sigma:.3g}" if isinstance(one, GaussianNoise) else str(one) for one in (alike[0], alike[-1])
        )
        words.append(low if low == high else f"{low} to {high}")
    return "; ".join(words)


def note_where_approximate(prior: Prior, noise: list[NoiseModel], data_range: float) -> None:
    """Print a note if the noise is outside the range that the prior was trained for."""
    if prior.noise is None:
        return
    low, high = (level * data_range for level in prior.noise.range)
    stabilizers = [one.stabilizer(data_range) for one in noise]
    levels = [data_range * stabilizer.level for stabilizer in stabilizers if stabilizer]
    outside = [GaussianNoise(level) for level in levels if not 0.95 * low < level < 1.05 * high]
    if outside:
        trained = describe_noise([GaussianNoise(low), GaussianNoise(high)])
        where = (
            ""
            if all(isinstance(one, GaussianNoise) for one in noise)
            else f" of the stabilized image (white: {data_range:g})"
        )
        say(
            f"note: this prior was trained for noise of {trained}; for {describe_noise(outside)}{where} the contrast "
            "is rescaled, which is an approximation"
        )
