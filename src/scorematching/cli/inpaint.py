"""``scorematching inpaint``: fill the holes of an image, or of all pages of a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorematching.cli.options import (
    NATURAL,
    DeviceOption,
    ImageArgument,
    LevelOption,
    NamedPriorOption,
    OutputOption,
    OverwriteOption,
    SeedOption,
    WhiteOption,
)


def inpaint(
    image: ImageArgument,
    mask: Annotated[
        Path, typer.Option("--mask", metavar="FILE", help="Image of the same size, white at missing pixels.")
    ],
    output: OutputOption,
    prior: NamedPriorOption = NATURAL,
    sigma: LevelOption = None,
    white: WhiteOption = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Fill the holes of an image: find a probable image that agrees with the known pixels.

    The mask applies to each page of a TIFF. Metadata are kept.

    Example: [bold]scorematching inpaint torn.png --mask holes.png -o whole.png[/bold]
    """
    from scorematching.cli.pages import read_planes, restore_observation
    from scorematching.images.io.paths import check_output
    from scorematching.restoration.operators import Mask

    check_output(output, image, mask, overwrite=overwrite)
    brightness = read_planes(mask)
    holes = brightness.data[:, 0].amax(0) > 0.5
    if not bool(holes.any()):
        brightest = brightness.data_range * float(brightness.data.max())
        raise ValueError(
            f"{mask} has no hole: missing pixels must be white ({brightness.data_range:g}), but its largest value is "
            f"{brightest:g}"
        )
    restore_observation(Mask(~holes), image, output, prior, sigma, white, seed, device, "filling holes")
