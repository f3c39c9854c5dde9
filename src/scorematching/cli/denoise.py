"""``scorematching denoise``: remove the noise of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorematching.cli.options import (
    NATURAL,
    DeviceOption,
    GainOption,
    NoiseOption,
    OffsetOption,
    OverwriteOption,
    PriorOption,
    SeedOption,
    SigmaOption,
    StepsOption,
    WhiteOption,
)


def denoise(
    images: Annotated[
        list[Path],
        typer.Argument(help="Images (TIFF, PNG, JPEG, NumPy, FITS, MRC and others) or folders of them."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE|FOLDER", help="Where to write: a file for one image, otherwise a folder."
        ),
    ],
    sigma: SigmaOption = None,
    gain: GainOption = None,
    offset: OffsetOption = 0.0,
    noise: NoiseOption = None,
    prior: PriorOption = NATURAL,
    steps: StepsOption = None,
    self_ensemble: Annotated[
        bool,
        typer.Option(
            "--self-ensemble", help="Average over 8 rotations and reflections: a little better, 8 times slower."
        ),
    ] = False,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Remove correlated noise in a fifth of the time, about 0.3 dB worse on photographs of cameras.",
        ),
    ] = False,
    white: WhiteOption = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="HTML",
            help="For one image: write a page with both images, their difference, and with --std the error bars.",
        ),
    ] = None,
    std: Annotated[
        Path | None,
        typer.Option(
            "--std",
            metavar="TIFF",
            help="For one image or stack: write error bars, the standard deviation of each pixel of the result, in the "
            "units of the image. This takes about 25 times as long as the result.",
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="Clean image, for PSNR and SSIM on that page.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="For one image or stack: write the noise, the expected quality, and checks of what was removed.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Remove the noise of images. Each result has the type and range of its image.

    Each page of a TIFF is denoised separately. Metadata are kept: resolution, color profiles, texts, and the axes of
    ImageJ and OME.

    The noise is found: white, or correlated, as a camera's development leaves it, or growing with brightness, as in low
    light. [bold]scorematching noise[/bold] describes it. If you know gain and offset, pass [bold]--gain[/bold]. If
    there is a blank page with the same noise, pass what [bold]noise --json[/bold] wrote for it as [bold]--noise[/bold].

    The priors that come with the library were trained on photographs. For other images try [bold]--prior self[/bold].
    It fits a prior to all the noisy images together, in about half a minute. They must have the same value of white, so
    8-bit and 16-bit images can't be mixed. Or fit a prior once with [bold]fit --noisy[/bold], and pass its file.

    Example: [bold]scorematching denoise noisy.png -o clean.png[/bold]
    Example: [bold]scorematching denoise scans/ -o cleaned/ --prior scans.safetensors[/bold]
    Example: [bold]scorematching denoise noisy.png -o clean.png --std error.tif[/bold]
    Example: [bold]scorematching denoise cells.tif -o clean.tif --gain 2.2 --sigma 3.5 --offset 100[/bold]
    """
    from scorematching.cli.denoise_files import Job, check_record, check_report, denoise_all, denoise_one, find_targets
    from scorematching.cli.error_bars import check_std
    from scorematching.cli.options import check_device, noise_from_options
    from scorematching.cli.prior_choice import named_or_fitted_prior
    from scorematching.images.io.paths import check_apart, check_output, find_images

    where, known = check_device(device), noise_from_options(sigma, gain, offset, noise)
    sources = find_images(images)
    single = sources == images and len(sources) == 1 and bool(output.suffix) and not output.is_dir()
    targets = [output] if single else find_targets(output, sources)
    others = [] if reference is None else [reference]
    for source, target in zip(sources, targets, strict=True):
        check_apart(target, source, *others, overwrite=overwrite)
    if single:
        check_output(output, sources[0], overwrite=overwrite)
    check_report(report, reference, sources)
    if record is not None:
        check_record(record, sources, [*targets, *others])
    if std is not None:
        check_std(std, prior, sources, [*targets, *others])
    chosen = named_or_fitted_prior(
        prior, sources, noise=known, noisy=True, data_range=white, steps=steps, seed=seed, device=where
    )
    job = Job(known, chosen, self_ensemble, fast, white, seed, where, report, reference, std, record)
    if single:
        denoise_one(job, sources[0], output)
    else:
        denoise_all(job, sources, targets, overwrite)
