"""``scorematching inpaint`` and ``deblur``: one image, or all pages of a stack, holes filled or blur removed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

import scorematching as sm
from scorematching.cli.choice import NATURAL, SELF, PriorOption, named_prior
from scorematching.cli.common import (
    DeviceOption,
    ImageArgument,
    OutputOption,
    OverwriteOption,
    SeedOption,
    WhiteOption,
    check_device,
    check_sigma,
    console,
)
from scorematching.cli.pages import describe_pages, restore_file
from scorematching.images import find_white_of_file, to_planes
from scorematching.images.io.paths import check_output
from scorematching.restoration import LinearOperator
from scorematching.restoration.convergence import Monitor
from scorematching.runtime.progress import Step

LevelOption = Annotated[
    float | None,
    typer.Option(
        "--sigma", help="Noise in the image, in its own units (0-255 for 8 bit).", show_default="1/255 of white"
    ),
]


def inpaint(
    image: ImageArgument,
    mask: Annotated[
        Path, typer.Option("--mask", metavar="FILE", help="An image of the same size, white where pixels are missing.")
    ],
    output: OutputOption,
    prior: PriorOption = NATURAL,
    sigma: LevelOption = None,
    white: WhiteOption = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Fill the holes of an image: find a probable one that agrees with what is known of it.

    Of a TIFF with several pages each is filled where the mask says. What else the file says is kept.

    Example: [bold]scorematching inpaint torn.png --mask holes.png -o whole.png[/bold]
    """
    check_output(output, image, mask, overwrite=overwrite)
    brightness = to_planes(sm.read_image(mask))
    holes = brightness.data[:, 0].amax(0) > 0.5
    if not bool(holes.any()):
        brightest, white_of_mask = brightness.data_range * float(brightness.data.max()), brightness.data_range
        raise ValueError(
            f"{mask} has no hole: white ({white_of_mask:g}) is where pixels are missing, the brightest is {brightest:g}"
        )
    _restore(sm.restoration.Mask(~holes), image, output, prior, sigma, white, seed, device)


def deblur(
    image: ImageArgument,
    output: OutputOption,
    prior: PriorOption = NATURAL,
    blur: Annotated[
        float | None, typer.Option("--blur", help="Standard deviation of a Gaussian blur, in pixels.")
    ] = None,
    kernel: Annotated[
        Path | None, typer.Option("--kernel", metavar="FILE", help="Or the blur as an image, odd in height and width.")
    ] = None,
    sigma: LevelOption = None,
    white: WhiteOption = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Take the blur out of an image, or of each page of a TIFF: find a probable one that gives it when blurred.

    What else the file says is kept.

    Example: [bold]scorematching deblur soft.png -o sharp.png --blur 1.6[/bold]
    """
    if (blur is None) == (kernel is None):
        raise ValueError("expected one of --blur and --kernel")
    check_output(output, image, *([] if kernel is None else [kernel]), overwrite=overwrite)
    if blur is not None:
        weights = sm.restoration.gaussian_kernel(blur)
    else:
        weights = to_planes(sm.read_image(str(kernel))).data[:, 0].mean(0)
        if not float(weights.sum()) > 0:
            raise ValueError(f"{kernel} is black: a kernel needs a positive sum")
        weights = weights / weights.sum()
    _restore(sm.restoration.Blur(weights), image, output, prior, sigma, white, seed, device)


def _restore(
    operator: LinearOperator,
    image: Path,
    output: Path,
    prior: str,
    sigma: float | None,
    white: float | None,
    seed: int,
    device: str,
) -> None:
    """Read, restore, write."""
    where: torch.device = check_device(device)
    if prior == SELF:
        raise ValueError("an image with holes or blur teaches no prior: --prior takes a name or a file here")
    if sigma is not None:
        check_sigma(sigma)
    prior_for, data_range = named_prior(prior), find_white_of_file(image, white)

    def restored(page: np.ndarray, _: int, progress: Step, monitor: Monitor) -> np.ndarray:
        return sm.restore(
            page,
            operator,
            prior_for(page),
            sigma=sigma,
            data_range=data_range,
            seed=seed,
            device=where,
            progress=progress,
            monitor=monitor,
        )

    written = restore_file(image, output, restored, "restoring")
    console.print(f"wrote {output}: {describe_pages(*written)}", highlight=False)
