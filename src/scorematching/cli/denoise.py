"""``scorematching denoise``: remove the noise of images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from scorematching.cli.options import (
    NATURAL,
    SELF,
    DeviceOption,
    GainOption,
    NeighborsOption,
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
        typer.Argument(help="Images (TIFF, PNG, JPEG, NumPy, FITS, MRC and others), folders of them, or an array."),
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
    neighbors: NeighborsOption = None,
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
    axes: Annotated[
        str | None,
        typer.Option(
            "--axes",
            metavar="LETTERS",
            help="For a Zarr array: letters of its axes, such as TCZYX, or YXS for color.",
            show_default="those that its metadata name",
        ),
    ] = None,
    scene: Annotated[
        str | None,
        typer.Option(
            "--scene", metavar="NAME", help="For a CZI, ND2 or LIF file of several scenes: the one to denoise."
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=1,
            metavar="N",
            help="Compute several files, or tiles of a Zarr array, at once: in N processes of one thread each.",
        ),
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="Compute on the dask cluster of this scheduler instead."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from what an interrupted run of the same command left.")
    ] = False,
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
    In a camera's raw file, the noise of the sensor is removed before the image is developed.

    The priors that come with the library were trained on photographs. For other images try [bold]--prior self[/bold].
    It fits a prior to all the noisy images together, in about half a minute. They must have the same value of white, so
    8-bit and 16-bit images can't be mixed. Or fit a prior once with [bold]fit --noisy[/bold], and pass its file.

    In a movie or a volume, the images before and after an image show nearly the same scene. With
    [bold]--prior self --neighbors 1[/bold] or 2, the prior sees them too, and takes from them what lowers the error.

    A Zarr array, such as an OME-Zarr image, may be larger than memory. It is denoised in tiles, and the result has the
    same metadata and resolutions. A TIFF with axes, or a CZI, ND2 or LIF file of a microscope, becomes an OME-Zarr
    image if the output ends in .zarr. An interrupted run goes on with [bold]--resume[/bold].

    Example: [bold]scorematching denoise noisy.png -o clean.png[/bold]
    Example: [bold]scorematching denoise scans/ -o cleaned/ --prior scans.safetensors[/bold]
    Example: [bold]scorematching denoise noisy.png -o clean.png --std error.tif[/bold]
    Example: [bold]scorematching denoise movie.tif -o clean.tif --prior self --neighbors 1[/bold]
    Example: [bold]scorematching denoise movie.ome.zarr -o clean.ome.zarr --workers 4[/bold]
    Example: [bold]scorematching denoise cells.tif -o clean.tif --gain 2.2 --sigma 3.5 --offset 100[/bold]
    """
    from scorematching.cli.denoise_files import Job, check_record, check_report, denoise_all, denoise_one, find_targets
    from scorematching.cli.error_bars import check_std
    from scorematching.cli.options import check_device, noise_from_options
    from scorematching.cli.prior_choice import named_or_fitted_prior, named_prior
    from scorematching.images.io.ome_zarr import is_zarr
    from scorematching.images.io.paths import check_apart, check_others, check_output, check_outputs, find_images
    from scorematching.runtime.workers import Workers

    where, known = check_device(device), noise_from_options(sigma, gain, offset, noise)
    job = Job(known, None, self_ensemble, fast, white, seed, where, report, reference, std, record)
    own_workers = Workers(workers, scheduler)
    if any(map(is_zarr, [*images, output])):
        from scorematching.cli.denoise_arrays import check_arrays, denoise_array

        if prior == SELF:
            raise ValueError("--prior self is for images that fit into memory: fit a prior to some, and pass its file")
        check_arrays(job, images, output)
        denoise_array(replace(job, prior=named_prior(prior)), images[0], output, axes, scene, own_workers, resume)
        return
    if axes is not None or scene is not None:
        raise ValueError("--axes and --scene are for arrays that become Zarr arrays: pass a name.zarr as --output")
    sources = find_images(images)
    single = sources == images and len(sources) == 1 and bool(output.suffix) and not output.is_dir()
    if single and (resume or not own_workers.is_serial):
        raise ValueError(
            "--workers, --scheduler and --resume are for a folder of results or for a Zarr array: pass one as --output"
        )
    targets = [output] if single else find_targets(output, sources)
    others = [] if reference is None else [reference]
    for source, target in zip(sources, targets, strict=True):
        check_apart(target, source, *others, overwrite=overwrite)
    if single:
        check_output(output, sources[0], overwrite=overwrite)
    check_others(sources, targets)
    check_outputs([*targets, report, record, std], [*others, noise, prior])
    check_report(report, reference, sources)
    if record is not None:
        check_record(record, sources)
    if std is not None and neighbors is not None:
        raise ValueError("a prior that sees neighbors has no error bars: leave out --std or --neighbors")
    if std is not None:
        check_std(std, prior, sources)
    chosen = named_or_fitted_prior(
        prior,
        sources,
        noise=known,
        noisy=True,
        data_range=white,
        steps=steps,
        neighbors=neighbors,
        seed=seed,
        device=where,
    )
    job = replace(job, prior=chosen)
    if single:
        denoise_one(job, sources[0], output)
    else:
        denoise_all(job, sources, targets, overwrite, own_workers, resume)
