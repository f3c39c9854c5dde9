"""``scorematching deblur``: remove the blur of an image, or of all pages of a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

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


def deblur(
    image: ImageArgument,
    output: OutputOption,
    prior: NamedPriorOption = NATURAL,
    blur: Annotated[
        float | None, typer.Option("--blur", help="Standard deviation of a Gaussian blur, in pixels.")
    ] = None,
    kernel: Annotated[
        Path | None,
        typer.Option("--kernel", metavar="FILE", help="Instead: image of the blur kernel, odd in height and width."),
    ] = None,
    sigma: LevelOption = None,
    white: WhiteOption = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Remove the blur of an image: find a probable image that looks like this one after blurring.

    Each page of a TIFF is restored separately. Metadata are kept.

    Example: [bold]scorematching deblur soft.png -o sharp.png --blur 1.6[/bold]
    """
    from scorematching.cli.pages import read_planes, restore_observation
    from scorematching.images.io.paths import check_output
    from scorematching.restoration.operators import Blur, gaussian_kernel
    from scorematching.runtime.text import naming

    if (blur is None) == (kernel is None):
        raise ValueError("expected one of --blur and --kernel, not none or both")
    check_output(output, image, *([] if kernel is None else [kernel]), overwrite=overwrite)
    if kernel is None:
        operator = Blur(gaussian_kernel(cast(float, blur)))
    else:
        weights = read_planes(kernel).data[:, 0].mean(0)
        if not float(weights.sum()) > 0:
            raise ValueError(f"{kernel} is black: a kernel needs a positive sum")
        with naming(kernel):
            operator = Blur(weights / weights.sum())
    restore_observation(operator, image, output, prior, sigma, white, seed, device, "removing blur")
