"""``scorematching upscale``: enlarge an image, or all pages of a stack."""

from __future__ import annotations

from typing import Annotated

import typer

from scorematching.cli.options import (
    NATURAL,
    DeviceOption,
    ImageArgument,
    LevelOption,
    OutputOption,
    OverwriteOption,
    PriorOption,
    SeedOption,
    StepsOption,
    WhiteOption,
)

#: Level of the noise that is added to an image when a prior is fitted to it, with white at 255.
_FITTED_SIGMA = 25


def upscale(
    image: ImageArgument,
    output: OutputOption,
    factor: Annotated[int, typer.Option("--factor", min=2, max=16, help="Enlargement of each side.")] = 2,
    sigma: LevelOption = None,
    prior: PriorOption = NATURAL,
    steps: StepsOption = None,
    white: WhiteOption = None,
    overwrite: OverwriteOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Enlarge an image: find a probable large image that shrinks to it. The result has the type and range of the image.

    Each page of a TIFF is enlarged. Metadata are kept: resolution, color profile and texts.

    Example: [bold]scorematching upscale small.png -o large.png --factor 3[/bold]
    """
    import numpy as np

    from scorematching.cli.options import check_device, noise_from_options
    from scorematching.cli.pages import restore_observation
    from scorematching.cli.prior_choice import named_or_fitted_prior
    from scorematching.images.io.files import count_pages, find_white_of_file, read_pages
    from scorematching.images.io.formats import check_writable
    from scorematching.images.io.paths import check_output
    from scorematching.noise import GaussianNoise
    from scorematching.restoration.operators import BicubicDownsampling

    check_output(output, image, overwrite=overwrite)
    first = next(read_pages(image))
    height, width = (factor * n for n in first.shape[:2])
    check_writable(output, np.broadcast_to(first[:1, :1], (height, width, *first.shape[2:])), count_pages(image))
    observed = noise_from_options(sigma, None, 0.0)
    data_range = find_white_of_file(image, white)
    chosen = named_or_fitted_prior(
        prior,
        [image],
        noise=GaussianNoise(data_range * _FITTED_SIGMA / 255),
        noisy=False,
        data_range=data_range,
        steps=steps,
        seed=seed,
        device=check_device(device),
    )
    shrink = BicubicDownsampling(factor, (height, width))
    restore_observation(shrink, image, output, chosen, observed, white, seed, device, "enlarging", factor)
