"""``scorematching noise``: find and describe the noise of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorematching.cli.options import NATURAL, DeviceOption, NamedPriorOption, SeedOption, WhiteOption


def noise(
    images: Annotated[
        list[Path],
        typer.Argument(help="Images or stacks, as for denoise, or folders of them."),
    ],
    prior: NamedPriorOption = NATURAL,
    white: WhiteOption = None,
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the noise models as JSON, a list with one entry a page."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="PNG", help="For one image: draw the variance against brightness, and the spectrum."
        ),
    ] = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="The pages of the stack show one scene: compare each with the next one.")
    ] = False,
    blank: Annotated[
        bool, typer.Option("--blank", help="The image is of an even surface: measure the correlation of its pixels.")
    ] = False,
    dark: Annotated[
        Path | None, typer.Option("--dark", metavar="FILE", help="With --frames: frames without light.")
    ] = None,
    flat: Annotated[
        Path | None, typer.Option("--flat", metavar="FILE", help="With --frames: frames of an evenly lit surface.")
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Find the noise of images, and print a table. Nothing is denoised.

    The noise is white, or correlated, as a camera's development leaves it, or that of photons, which grows with
    brightness. [bold]denoise[/bold] finds it in the same way. With [bold]--frames[/bold] it is found more exactly, from
    a stack of one scene or a movie. With [bold]--blank[/bold] it is measured in an image of an even surface.

    Example: [bold]scorematching noise photo.jpg --plot noise.png[/bold]
    Example: [bold]scorematching noise blank.tif --blank --json noise.json[/bold]
    Example: [bold]scorematching noise movie.tif --frames --dark dark.tif[/bold]
    """
    from scorematching.cli.noise_files import check_targets, describe, describe_blank, describe_frames
    from scorematching.cli.options import check_device
    from scorematching.cli.prior_choice import named_prior
    from scorematching.images.io.paths import find_images

    where, sources = check_device(device), find_images(images)
    check_targets(json, plot, sources, [dark, flat, prior])
    if blank:
        if len(sources) > 1 or frames or plot is not None:
            raise ValueError(f"--blank takes one image, no --frames and no --plot, got {len(sources)} images")
        describe_blank(sources[0], json)
        return
    if frames:
        if len(sources) > 1 or plot is not None:
            raise ValueError(f"--frames takes one stack and no --plot, got {len(sources)} images")
        describe_frames(sources[0], dark, flat, json)
        return
    if dark is not None or flat is not None:
        raise ValueError("--dark and --flat need --frames: the noise of one image is found without them")
    describe(sources, named_prior(prior), white, json, plot, seed, where)
