"""``scorematching denoise``: images, noise removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.table import Table

import scorematching as sm
from scorematching.cli.choice import NATURAL, LearningOption, PriorFor, PriorOption, choose_prior
from scorematching.cli.common import (
    SIGMA_HELP,
    DeviceOption,
    GainOption,
    OffsetOption,
    OverwriteOption,
    SeedOption,
    WhiteOption,
    check_device,
    check_sigma,
    console,
    errors,
)
from scorematching.cli.pages import describe_pages, restore_file
from scorematching.images import IMAGE_SUFFIXES, count_pages, find_images, find_white_of_file
from scorematching.images.io.atomic import check_target
from scorematching.images.io.paths import check_apart, check_output
from scorematching.noise.poisson_gaussian import Stabilizer, camera_noise
from scorematching.plotting.html_report import check_reference, write_page
from scorematching.restoration.convergence import Monitor
from scorematching.runtime.progress import Step

#: Of one level, given in an image's own units; or a camera's, that grows with brightness.
_Noise = float | sm.noise.PoissonGaussianNoise


def denoise(
    images: Annotated[
        list[Path], typer.Argument(help="PNG, JPEG or TIFF, 8 or 16 bit or floating point; or folders of them.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE|FOLDER", help="Where to write: a file for one image, else a folder."
        ),
    ],
    sigma: Annotated[
        float | None, typer.Option("--sigma", help=SIGMA_HELP, show_default="estimated from each image")
    ] = None,
    gain: GainOption = None,
    offset: OffsetOption = 0.0,
    prior: PriorOption = NATURAL,
    steps: LearningOption = None,
    self_ensemble: Annotated[
        bool,
        typer.Option(
            "--self-ensemble", help="Take the mean over all turns and mirrorings: a little better, 8 x the time."
        ),
    ] = False,
    white: WhiteOption = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="HTML", help="A page on the result, of one image: before, after, difference."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="The clean image, for figures on that page.")
    ] = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Denoise images; the results have their types and ranges.

    Of a TIFF with several pages each is denoised as an image of its own. What else the files say is kept: resolution,
    color profiles, texts, the axes of ImageJ and OME.

    The shipped priors, one of colors and one of gray images, know photographs. Images of another kind, or with
    noise that is not white, may fare better with [bold]--prior self[/bold], learned in half a minute or so from all the
    noisy images together, which must have one white (not some of 8 and some of 16 bit); or learn once, with
    [bold]fit --noisy[/bold], and pass the file. In low light noise grows with brightness: say by [bold]--gain[/bold]
    how.

    Example: [bold]scorematching denoise noisy.png -o clean.png[/bold]
    Example: [bold]scorematching denoise scans/ -o cleaned/ --prior scans.safetensors[/bold]
    Example: [bold]scorematching denoise cells.tif -o clean.tif --gain 2.2 --sigma 3.5 --offset 100[/bold]
    """
    where = check_device(device)
    noise: _Noise | None = camera_noise(sigma or 0.0, gain, offset)
    if noise is None and sigma is not None:
        check_sigma(sigma)
        noise = sigma
    sources = find_images(images)
    single = sources == images and len(sources) == 1 and bool(output.suffix) and not output.is_dir()
    targets = [output] if single else _in_folder(output, sources)
    others = [] if reference is None else [reference]
    for source, target in zip(sources, targets, strict=True):
        check_apart(target, source, *others, overwrite=overwrite)
    if single:
        check_output(output, sources[0], overwrite=overwrite)
    before, truth = _check_report(report, reference, sources)
    prior_for = choose_prior(
        prior,
        sources,
        sigma=sigma,
        noisy=True,
        gain=gain,
        offset=offset,
        data_range=white,
        steps=steps,
        seed=seed,
        device=where,
    )

    def work(source: Path, target: Path) -> tuple[list[_Noise], tuple[int, ...]]:
        taken, written = _denoise(source, target, noise, prior_for, self_ensemble, white, seed, where)
        if report is not None and before is not None:
            title, after = f"{source.name}, denoised", sm.read_image(target)
            write_page(
                report, before, after, taken[0], title=title, found=noise is None, data_range=white, reference=truth
            )
        return taken, written

    if single:
        taken, _ = work(sources[0], output)
        console.print(f"wrote {output}; noise {'found' if noise is None else 'given'}: {_said(taken)}", highlight=False)
        return
    output.mkdir(exist_ok=True)
    _denoise_all(sources, targets, work, overwrite)


def _check_report(
    report: Path | None, reference: Path | None, sources: list[Path]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The noisy image, and the clean one if there is one, for the report; raise where it can't be written."""
    if report is None:
        if reference is not None:
            raise ValueError("--reference is for the page of --report")
        return None, None
    check_target(report)
    if len(sources) > 1 or count_pages(sources[0]) > 1 or report.suffix.lower() not in (".html", ".htm"):
        count = sum(count_pages(source) for source in sources)
        raise ValueError(f"--report takes a file that ends in .html, for one image; got {report}, {count} images")
    before, truth = sm.read_image(sources[0]), None if reference is None else sm.read_image(reference)
    if truth is not None:
        check_reference(truth, before)
    return before, truth


def _in_folder(folder: Path, sources: list[Path]) -> list[Path]:
    """A file for each image in a folder that is there, or can be made."""
    if not folder.is_dir() and (folder.exists() or folder.suffix.lower() in IMAGE_SUFFIXES):
        raise NotADirectoryError(f"{folder} is a file's name: {len(sources)} images from a folder go to a folder")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {folder.parent}")
    targets = [folder / source.name for source in sources]
    if len(set(targets)) < len(targets):
        name = next(target.name for target in targets if targets.count(target) > 1)
        raise ValueError(f"two images are called {name}: denoise their folders one after the other")
    return targets


def _denoise_all(
    sources: list[Path],
    targets: list[Path],
    work: Callable[[Path, Path], tuple[list[_Noise], tuple[int, ...]]],
    overwrite: bool,
) -> None:
    """One file after the other; what can't be read is named at the end, and stops no other."""
    table, failures = Table("image", "pixels", "noise"), []
    for source, target in zip(sources, targets, strict=True):
        try:
            check_output(target, source, overwrite=overwrite)
            taken, written = work(source, target)
        except (ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:  # torch's own when out of memory
            failures.append(f"{source.name}: {error or type(error).__name__}")
        else:
            table.add_row(source.name, describe_pages(*written), _said(taken))
    console.print(table)
    console.print(f"wrote {table.row_count} images to {targets[0].parent}/", highlight=False)
    if failures:
        for failure in failures:
            errors.print(f"error: {failure}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _denoise(
    source: Path,
    target: Path,
    noise: _Noise | None,
    prior_for: PriorFor,
    self_ensemble: bool,
    white: float | None,
    seed: int,
    where: torch.device,
) -> tuple[list[_Noise], tuple[int, ...]]:
    """Read, denoise, write; the noise that was taken for each page, and how many were written, of what shape."""
    data_range = find_white_of_file(source, white)
    taken: list[_Noise] = []
    priors: list[sm.Prior] = []
    for image in sm.images.read_pages(source):
        priors.append(prior_for(image))
        found = noise or sm.restoration.find_noise(image, priors[-1], data_range=data_range, seed=seed, device=where)
        taken.append(found)
    if not all(taken):
        page = f" page {1 + taken.index(0)}" if len(taken) > 1 else ""
        raise ValueError(f"no noise was found in {source.name}{page}: give --sigma")
    for model in dict.fromkeys(priors):
        _tell_where_approximate(
            model, [one for one, own in zip(taken, priors, strict=True) if own is model], data_range
        )

    def denoised(page: np.ndarray, number: int, progress: Step, _: Monitor) -> np.ndarray:
        one = taken[number]
        sigma, gain, offset = (
            (one.sigma, one.gain, one.offset) if isinstance(one, sm.noise.PoissonGaussianNoise) else (one, None, 0.0)
        )
        return sm.denoise(
            page,
            sigma,
            priors[number],
            gain=gain,
            offset=offset,
            self_ensemble=self_ensemble,
            data_range=data_range,
            seed=seed,
            device=where,
            progress=progress,
        )

    return taken, restore_file(source, target, denoised, "denoising")


def _said(taken: list[_Noise]) -> str:
    """Of one noise, or of levels from the lowest to the highest."""
    if isinstance(taken[0], sm.noise.PoissonGaussianNoise):
        return str(taken[0])
    levels = [level for level in taken if not isinstance(level, sm.noise.PoissonGaussianNoise)]
    low, high = f"{min(levels):.3g}", f"{max(levels):.3g}"
    return low if low == high else f"{low} to {high}"


def _tell_where_approximate(model: sm.Prior, taken: list[_Noise], data_range: float) -> None:
    levels = [
        data_range * Stabilizer(one, data_range).level if isinstance(one, sm.noise.PoissonGaussianNoise) else one
        for one in taken
    ]
    where = (
        f" of the stabilized image (white: {data_range:g})"
        if isinstance(taken[0], sm.noise.PoissonGaussianNoise)
        else ""
    )
    low, high = (level * data_range for level in model.info.levels)
    beyond = [level for level in levels if not 0.95 * low < level < 1.05 * high]
    if low and beyond:
        console.print(
            f"note: this prior is for noise of {_said([low, high])}; contrast is rescaled to use it at "
            f"{_said(list(beyond))}{where}, which is an approximation",
            highlight=False,
        )
