"""``scorematching denoise``: pictures, noise removed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.table import Table

import scorematching as sm
from scorematching.atomic import check_target
from scorematching.cli.common import (
    SELF,
    SIGMA_HELP,
    DeviceOption,
    GainOption,
    LearningOption,
    OffsetOption,
    PriorOption,
    SeedOption,
    WhiteOption,
    check_device,
    check_sigma,
    console,
    errors,
    learn_from,
    step_bar,
)
from scorematching.images import IMAGE_SUFFIXES, Stabilizer, camera_noise, find_images, to_planes
from scorematching.images.files import check_not_source, check_output
from scorematching.page import write_page

#: Of one level, given in a picture's own units; or a camera's, that grows with brightness.
_Noise = float | sm.Anscombe


def denoise(
    pictures: Annotated[
        list[Path], typer.Argument(help="PNG, JPEG or TIFF, 8 or 16 bit or floating point; or folders of them.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE|FOLDER", help="Where to write: a file for one picture, else a folder."
        ),
    ],
    sigma: Annotated[
        float | None, typer.Option("--sigma", help=SIGMA_HELP, show_default="estimated from each picture")
    ] = None,
    gain: GainOption = None,
    offset: OffsetOption = 0.0,
    prior: PriorOption = SELF,
    steps: LearningOption = 600,
    white: WhiteOption = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="HTML", help="A page on the result, of one picture: before, after, difference."
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="The clean picture, for figures on that page.")
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Denoise pictures; the results have their types and ranges.

    Without [bold]--prior[/bold] a prior is first learned from the noisy pictures themselves, in half a minute or so. To
    clean more of their kind later, learn once with [bold]fit --noisy[/bold] and pass the file. In low light noise grows
    with brightness: say by [bold]--gain[/bold] how.

    Example: [bold]scorematching denoise noisy.png -o clean.png[/bold]
    Example: [bold]scorematching denoise scans/ -o cleaned/ --prior scans.safetensors[/bold]
    Example: [bold]scorematching denoise cells.tif -o clean.tif --gain 2.2 --sigma 3.5 --offset 100[/bold]
    """
    where = check_device(device)
    noise: _Noise | None = camera_noise(sigma or 0.0, gain, offset)
    if noise is None and sigma is not None:
        check_sigma(sigma)
        noise = sigma
    sources = find_images(pictures)
    single = sources == pictures and len(sources) == 1 and bool(output.suffix) and not output.is_dir()
    targets = [output] if single else _in_folder(output, sources)
    for source, target in zip(sources, targets, strict=True):
        check_not_source(target, source)
    if single:
        check_output(output, sm.read_image(sources[0]), sources[0])
    truth = _check_report(report, reference, sources)
    if prior != SELF:
        model = sm.load_prior(prior)
    else:
        model = learn_from(
            sources,
            sigma=sigma,
            noisy=True,
            gain=gain,
            offset=offset,
            peak=white,
            steps=steps,
            seed=seed,
            device=where,
        )
    if single:
        taken, _ = _denoise(sources[0], output, noise, model, white, where)
        if report is not None:
            before, after = sm.read_image(sources[0]), sm.read_image(output)
            title = f"{sources[0].name}, denoised"
            write_page(report, before, after, taken, title=title, found=noise is None, peak=white, reference=truth)
        console.print(f"wrote {output}; noise {'found' if noise is None else 'given'}: {_said(taken)}", highlight=False)
        return
    output.mkdir(exist_ok=True)
    _denoise_all(sources, targets, noise, model, white, where)


def _check_report(report: Path | None, reference: Path | None, sources: list[Path]) -> np.ndarray | None:
    """The clean picture, if there is one; raise where a report can't be written."""
    if report is None:
        if reference is not None:
            raise ValueError("--reference is for the page of --report")
        return None
    check_target(report)
    if len(sources) > 1 or report.suffix.lower() not in (".html", ".htm"):
        raise ValueError(
            f"--report takes a file that ends in .html, for one picture; got {report}, {len(sources)} pictures"
        )
    truth = None if reference is None else sm.read_image(reference)
    shape = sm.read_image(sources[0]).shape
    if truth is not None and truth.shape != shape:
        raise ValueError(f"{reference} is {truth.shape}, the picture is {shape}")
    return truth


def _in_folder(folder: Path, sources: list[Path]) -> list[Path]:
    """A file for each picture in a folder that is there, or can be made."""
    if not folder.is_dir() and (folder.exists() or folder.suffix.lower() in IMAGE_SUFFIXES):
        raise NotADirectoryError(f"{folder} is a file's name: {len(sources)} pictures from a folder go to a folder")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {folder.parent}")
    targets = [folder / source.name for source in sources]
    if len(set(targets)) < len(targets):
        name = next(target.name for target in targets if targets.count(target) > 1)
        raise ValueError(f"two pictures are called {name}: denoise their folders one after the other")
    return targets


def _denoise_all(
    sources: list[Path],
    targets: list[Path],
    noise: _Noise | None,
    model: sm.Prior,
    white: float | None,
    where: torch.device,
) -> None:
    """One picture after the other; what can't be read is named at the end, and stops no other."""
    table, failures = Table("picture", "pixels", "noise"), []
    for source, target in zip(sources, targets, strict=True):
        try:
            taken, shape = _denoise(source, target, noise, model, white, where)
        except (ValueError, TypeError, OSError) as error:
            failures.append(f"{source.name}: {error}")
        else:
            table.add_row(source.name, f"{shape[1]} x {shape[0]}", _said(taken))
    console.print(table)
    console.print(f"wrote {table.row_count} pictures to {targets[0].parent}/", highlight=False)
    if failures:
        for failure in failures:
            errors.print(f"error: {failure}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _denoise(
    source: Path, target: Path, noise: _Noise | None, model: sm.Prior, white: float | None, where: torch.device
) -> tuple[_Noise, tuple[int, ...]]:
    """Read, denoise, write; the noise that was taken, and the shape."""
    image = sm.read_image(source)
    check_output(target, image, source)
    peak = to_planes(image, white).peak
    taken = sm.estimate_noise(image, peak) if noise is None else noise
    if not taken:
        raise ValueError(f"no noise was found in {source.name}: give --sigma")
    _tell_where_approximate(model, taken, peak)
    sigma, gain, offset = (
        (taken.sigma, taken.gain, taken.offset) if isinstance(taken, sm.Anscombe) else (taken, None, 0)
    )
    with step_bar("denoising") as step:
        restored: np.ndarray = sm.denoise(
            image, sigma, model, gain=gain, offset=offset, peak=peak, device=where, progress=step
        )
    sm.write_image(target, restored)
    return taken, image.shape


def _said(noise: _Noise) -> str:
    return str(noise) if isinstance(noise, sm.Anscombe) else f"{noise:.3g}"


def _tell_where_approximate(model: sm.Prior, noise: _Noise, peak: float) -> None:
    if isinstance(noise, sm.Anscombe):
        sigma, where = peak * Stabilizer(noise, peak).level, f" of the stabilised picture (white: {peak:g})"
    else:
        sigma, where = noise, ""
    low, high = (level * peak for level in model.info.levels or (0.0, 0.0))
    if low and not 0.95 * low < sigma < 1.05 * high:
        own = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
        console.print(
            f"note: this prior is for noise of {own}; contrast is rescaled to use it at {sigma:.3g}"
            f"{where}, which is an approximation",
            highlight=False,
        )
