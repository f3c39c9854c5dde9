"""``scorematching upscale``: one picture, enlarged."""

from __future__ import annotations

from typing import Annotated

import typer

import scorematching as sm
from scorematching.cli.common import (
    SELF,
    DeviceOption,
    LearningOption,
    OutputOption,
    PictureArgument,
    PriorOption,
    SeedOption,
    WhiteOption,
    check_device,
    check_sigma,
    console,
    learn_from,
    step_bar,
)
from scorematching.images import to_planes
from scorematching.images.files import check_output


def upscale(
    picture: PictureArgument,
    output: OutputOption,
    factor: Annotated[int, typer.Option("--factor", min=2, max=16, help="How many times larger.")] = 2,
    sigma: Annotated[
        float | None,
        typer.Option(
            "--sigma", help="Noise in the picture, in its own units (0-255 for 8 bit).", show_default="1/255 of white"
        ),
    ] = None,
    prior: PriorOption = SELF,
    steps: LearningOption = 600,
    white: WhiteOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Enlarge a picture: find a probable large one that shrinks to it; the result has its type and range.

    Priors of the kind foe enlarge best; deep ones, such as natural-grey, are for noise.

    Example: [bold]scorematching upscale small.png -o large.png --factor 2 --prior photos.safetensors[/bold]
    """
    where = check_device(device)
    image = sm.read_image(picture)
    check_output(output, image, picture)
    peak = to_planes(image, white).peak
    if sigma is not None:
        check_sigma(sigma)
    if prior != SELF:
        model = sm.load_prior(prior)
    else:
        level = peak * 25 / 255
        model = learn_from(image, sigma=level, noisy=False, peak=peak, steps=steps, seed=seed, device=where)
    with step_bar("enlarging") as step:
        restored = sm.upscale(image, factor, model, sigma=sigma, peak=peak, device=where, progress=step)
    sm.write_image(output, restored)
    console.print(f"wrote {output}: {restored.shape[1]} x {restored.shape[0]} pixels", highlight=False)
