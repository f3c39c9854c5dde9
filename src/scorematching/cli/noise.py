"""``scorematching noise``: find and describe the noise of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorematching.cli.options import NATURAL, DeviceOption, NamedPriorOption, SeedOption, WhiteOption


def noise(
    images: Annotated[list[Path], typer.Argument(help="Images or stacks: PNG, JPEG or TIFF, or folders of them.")],
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
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Find the noise of images, and print a table. Nothing is denoised.

    The noise is white, or correlated, as a camera's development leaves it. [bold]denoise[/bold] finds it in the same
    way.

    Example: [bold]scorematching noise photo.jpg --plot noise.png[/bold]
    """
    from scorematching.cli.noise_files import check_targets, describe
    from scorematching.cli.options import check_device
    from scorematching.cli.prior_choice import named_prior
    from scorematching.images.io.paths import find_images

    where, sources = check_device(device), find_images(images)
    check_targets(json, plot, sources)
    describe(sources, named_prior(prior), white, json, plot, seed, where)
