"""``scorematching upscale``: one image, or all pages of a stack, enlarged."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

import scorematching as sm
from scorematching.cli.choice import NATURAL, LearningOption, PriorOption, choose_prior
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
from scorematching.images import find_white_of_file
from scorematching.images.io.paths import check_output
from scorematching.restoration.convergence import Monitor
from scorematching.runtime.progress import Step


def upscale(
    image: ImageArgument,
    output: OutputOption,
    factor: Annotated[int, typer.Option("--factor", min=2, max=16, help="How many times larger.")] = 2,
    sigma: Annotated[
        float | None,
        typer.Option(
            "--sigma", help="Noise in the image, in its own units (0-255 for 8 bit).", show_default="1/255 of white"
        ),
    ] = None,
    prior: PriorOption = NATURAL,
    steps: LearningOption = None,
    white: WhiteOption = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Enlarge an image: find a probable large one that shrinks to it; the result has its type and range.

    Of a TIFF with several pages each is enlarged. What else the file says is kept: resolution, color profile, texts.

    Example: [bold]scorematching upscale small.png -o large.png --factor 3[/bold]
    """
    where = check_device(device)
    check_output(output, image, overwrite=overwrite)
    data_range = find_white_of_file(image, white)
    if sigma is not None:
        check_sigma(sigma)
    prior_for = choose_prior(
        prior,
        [image],
        sigma=data_range * 25 / 255,
        noisy=False,
        data_range=data_range,
        steps=steps,
        seed=seed,
        device=where,
    )

    def enlarge(page: np.ndarray, _: int, progress: Step, monitor: Monitor) -> np.ndarray:
        return sm.upscale(
            page,
            factor,
            prior_for(page),
            sigma=sigma,
            data_range=data_range,
            seed=seed,
            device=where,
            progress=progress,
            monitor=monitor,
        )

    written = restore_file(image, output, enlarge, "enlarging", factor)
    console.print(f"wrote {output}: {describe_pages(*written)}", highlight=False)
