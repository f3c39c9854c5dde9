"""``scorematching show``: describe a prior, in words and as an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorematching.cli.options import NATURAL, SELF, DeviceOption, SeedOption, WhiteOption
from scorematching.priors.names import SHIPPED

if TYPE_CHECKING:
    import numpy as np
    import torch

    from scorematching.priors.base import Prior

#: Maximum size of the part of an image that is drawn, in rows and columns. The part is the middle of the image.
_LARGEST = 512, 768
#: Side of a sample in pixels.
_SIDE = 64
#: Step size of the sampling, in units of the squared noise level. It makes the noise of the samples 7 % too strong.
_STEP_SIZE = 0.5


def show(
    prior: Annotated[
        str,
        typer.Argument(
            help=f"A file of [bold]fit[/bold], or a prior that comes with the library ({', '.join(SHIPPED)})."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PNG", help="File to draw to.", show_default="PRIOR.png"),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            "--image",
            metavar="FILE",
            help="Image for the energy map. A large image is cropped; a grayscale prior sees the mean of the colors.",
            show_default="a photograph with noise of the prior's level",
        ),
    ] = None,
    white: WhiteOption = None,
    steps: Annotated[int, typer.Option("--steps", min=0, help="Sampling steps. 0 draws no samples.")] = 300,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Print a description of a prior, and draw it.

    The drawing shows the filters and their frequencies, the experts and their derivatives (except for deep priors), a
    map of the energy of an image, and samples.

    Of a prior that sees neighbors, the part for an image alone is drawn.

    Samples come from [bold]--steps[/bold] steps of Langevin dynamics. They start with noise on a uniform gray, and keep
    their mean, because the energy hardly depends on brightness. They look like the training images: samples of a prior
    of noisy images have noise, and are shown beside their denoised versions. Contrast is stretched. A short run shows
    texture. With an energy of noisy images, a long run may leave the range of images.

    Example: [bold]scorematching show photos.safetensors -o photos.png[/bold]
    Example: [bold]scorematching show natural-gray[/bold]
    """
    from scorematching.cli.console import say
    from scorematching.cli.options import check_device
    from scorematching.images.io.paths import check_no_input
    from scorematching.plotting.figures import check_target
    from scorematching.plotting.portrait import draw_prior, photograph_for
    from scorematching.priors.neighbors import prior_alone
    from scorematching.priors.store import load_prior

    where = check_device(device)
    if prior in (NATURAL, SELF):
        raise ValueError(f"{prior} does not name one prior: expected {' or '.join(SHIPPED)}, or a file")
    target = output if output is not None else Path(f"{prior}.png")
    check_target(target)
    if image is not None:
        check_no_input(target, image)
    whole = load_prior(prior).to(where)
    model = prior_alone(whole)
    subject = photograph_for(model, seed) if image is None else _middle(image, white, model)
    _print_description(whole)
    samples = _sample(model, steps, seed) if steps else None
    draw_prior(model, target, subject, samples)
    say(f"wrote {target}")


def _print_description(prior: Prior) -> None:
    """Print a table that describes a prior."""
    from rich.table import Table

    from scorematching.cli.console import cell, console
    from scorematching.priors.architecture import DeepConfig

    config, provenance = prior.config, prior.provenance
    table = Table(show_header=False, box=None)
    if isinstance(config, DeepConfig):
        model = "deep convolutional"
        weights = sum(p.numel() for p in prior.parameters())
        sizes = f"{config.depth} layers of {config.channels} channels, {weights} weights"
    else:
        model = "field of experts"
        octaves = f" in each of {config.octaves} octaves" if config.octaves > 1 else ""
        filters = "normalized" if config.normalize_filters else "free"
        sizes = (
            f"{config.filters}, of {config.size} x {config.size} pixels{octaves}, {config.expert}, filters {filters}"
        )
    noise = "none"
    if prior.noise is not None:
        low, high = (f"{level * 255:.4g}" for level in prior.noise.range)
        noise = f"sigma {low if low == high else f'{low} to {high}'} on the 0-255 scale"
        if prior.noise.reach:
            noise += f", correlation of neighbors {prior.noise.neighbors:.2f}, up to {prior.noise.reach} pixels apart"
    rows = {
        "images": "in red, green and blue" if config.colors > 1 else "grayscale",
        "neighbors": f"{config.neighbors} on each side" if config.neighbors else "none",
        "model": model,
        "experts": sizes,
        "noise": noise,
        "lam": f"{provenance.lam:g}",
        "data": provenance.data,
        "training": f"{provenance.steps} steps, seed {provenance.seed}, scorematching {provenance.version}",
    }
    for name, value in rows.items():
        table.add_row(name, cell(value))
    console.print(table)


def _middle(path: Path, white: float | None, prior: Prior) -> np.ndarray:
    """Return the middle of an image, with white at 1: (H, W, 3) for a color prior, otherwise grayscale, (H, W).

    Raises:
        ValueError: The image is grayscale and the prior is a color prior, or the image is too small for the prior.
    """
    from scorematching.images.arrays import to_planes
    from scorematching.images.io.files import read_image

    planes = to_planes(read_image(path), white).data[:, 0]
    if prior.config.colors not in (1, len(planes)):
        raise ValueError(f"{path} is grayscale, but this prior is for images in red, green and blue")
    prior.check_size(*planes.shape[1:])
    rows, columns = (
        slice((n - min(n, m)) // 2, (n + min(n, m)) // 2) for n, m in zip(planes.shape[1:], _LARGEST, strict=True)
    )
    middle = planes[:, rows, columns]
    return (middle.mean(0) if prior.config.colors == 1 else middle.permute(1, 2, 0)).numpy()


def _sample(prior: Prior, steps: int, seed: int) -> torch.Tensor:
    """Return the middle of samples of a prior, which the mirrored border does not influence."""
    import torch

    from scorematching.cli.console import progress_bar
    from scorematching.priors.devices import move
    from scorematching.sampling import langevin, without_mean

    generator, m = torch.Generator().manual_seed(seed), prior.margin
    count, side = 4 if prior.noise is None else 2, _SIDE + 2 * m  # four images fill a square, with the denoised ones
    start = 0.5 + prior.level * torch.randn(count, prior.config.colors, side, side, generator=generator)
    with progress_bar("sampling") as progress:
        samples = langevin(
            prior,
            move(start, prior, None),
            steps=steps,
            step_size=_STEP_SIZE * prior.level**2,
            project=without_mean,
            generator=generator,
            progress=progress,
        )
    return samples.x[..., m:-m, m:-m]
