"""``scorematching denoise``: one picture, noise removed."""

from __future__ import annotations

from typing import Annotated

import typer

import scorematching as sm
from scorematching.cli.common import (
    SIGMA_HELP,
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


def denoise(
    picture: PictureArgument,
    output: OutputOption,
    sigma: Annotated[
        float | None, typer.Option("--sigma", help=SIGMA_HELP, show_default="estimated from the picture")
    ] = None,
    prior: PriorOption = None,
    steps: LearningOption = 600,
    white: WhiteOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Denoise a picture; the result has its type and range.

    Without [bold]--prior[/bold] a prior is first learned from the noisy picture itself, in half a minute or so. To
    clean many pictures, learn once with [bold]fit --noisy[/bold] and pass the file.

    Example: [bold]scorematching denoise noisy.png -o clean.png --sigma 25[/bold]
    """
    where = check_device(device)
    image = sm.read_image(picture)
    check_output(output, image, picture)
    peak = to_planes(image, white).peak
    if sigma is None:
        sigma = sm.estimate_noise(image, peak)
        if not sigma:
            raise ValueError(f"no noise was found in {picture}: give --sigma")
        console.print(f"noise found: sigma {sigma:.3g}", highlight=False)
    check_sigma(sigma)
    if prior is not None:
        model = sm.load_prior(prior)
        low, high = (level * peak for level in model.info.levels or (0.0, 0.0))
        if low and not 0.95 * low < sigma < 1.05 * high:
            own = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
            console.print(
                f"note: this prior is for noise of {own}; contrast is rescaled to use it at {sigma:.3g}, which is an "
                "approximation",
                highlight=False,
            )
    else:
        model = learn_from(image, sigma=sigma, noisy=True, peak=peak, steps=steps, seed=seed, device=where)
    with step_bar("denoising") as step:
        restored = sm.denoise(image, sigma, model, peak=peak, device=where, progress=step)
    sm.write_image(output, restored)
    console.print(f"wrote {output}", highlight=False)
