"""``scorematching inpaint`` and ``deblur``: one picture, holes filled or blur removed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

import scorematching as sm
from scorematching.cli.common import (
    SELF,
    DeviceOption,
    OutputOption,
    PictureArgument,
    PriorOption,
    WhiteOption,
    check_device,
    check_sigma,
    console,
    step_bar,
)
from scorematching.images import to_planes
from scorematching.images.files import check_output
from scorematching.restoration import LinearOperator

LevelOption = Annotated[
    float | None,
    typer.Option(
        "--sigma", help="Noise in the picture, in its own units (0-255 for 8 bit).", show_default="1/255 of white"
    ),
]


def inpaint(
    picture: PictureArgument,
    mask: Annotated[
        Path, typer.Option("--mask", metavar="FILE", help="A picture of the same size, white where pixels are missing.")
    ],
    output: OutputOption,
    prior: PriorOption,
    sigma: LevelOption = None,
    white: WhiteOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Fill the holes of a picture: find a probable one that agrees with what is known of it.

    Example: [bold]scorematching inpaint torn.png --mask holes.png -o whole.png --prior photos.safetensors[/bold]
    """
    holes = to_planes(sm.read_image(mask)).data[:, 0].amax(0) > 0.5
    _restore(sm.Mask(~holes), picture, output, prior, sigma, white, device)


def deblur(
    picture: PictureArgument,
    output: OutputOption,
    prior: PriorOption,
    blur: Annotated[
        float | None, typer.Option("--blur", help="Standard deviation of a Gaussian blur, in pixels.")
    ] = None,
    kernel: Annotated[
        Path | None, typer.Option("--kernel", metavar="FILE", help="Or the blur as a picture, odd in height and width.")
    ] = None,
    sigma: LevelOption = None,
    white: WhiteOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Take the blur out of a picture: find a probable one that gives it when blurred.

    Example: [bold]scorematching deblur soft.png -o sharp.png --blur 1.6 --prior photos.safetensors[/bold]
    """
    if (blur is None) == (kernel is None):
        raise ValueError("expected one of --blur and --kernel")
    if blur is not None:
        weights = sm.gaussian_kernel(blur)
    else:
        weights = to_planes(sm.read_image(str(kernel))).data[:, 0].mean(0)
        if not float(weights.sum()) > 0:
            raise ValueError(f"{kernel} is black: a kernel needs a positive sum")
        weights = weights / weights.sum()
    _restore(sm.Blur(weights), picture, output, prior, sigma, white, device)


def _restore(
    operator: LinearOperator,
    picture: Path,
    output: Path,
    prior: str,
    sigma: float | None,
    white: float | None,
    device: str,
) -> None:
    """Read, restore, write."""
    where: torch.device = check_device(device)
    if prior == SELF:
        raise ValueError("a picture with holes or blur teaches no prior: --prior takes a name or a file here")
    image = sm.read_image(picture)
    check_output(output, image, picture)
    if sigma is not None:
        check_sigma(sigma)
    model = sm.load_prior(prior)
    with step_bar("restoring") as step:
        restored = sm.restore(image, operator, model, sigma=sigma, peak=white, device=where, progress=step)
    sm.write_image(output, restored)
    console.print(f"wrote {output}", highlight=False)
