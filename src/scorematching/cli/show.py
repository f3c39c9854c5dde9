"""``scorematching show``: what a prior has learned, in words and as an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.table import Table

import scorematching as sm
from scorematching.cli.choice import NATURAL, SELF
from scorematching.cli.common import DeviceOption, SeedOption, WhiteOption, check_device, console, step_bar
from scorematching.images import to_planes
from scorematching.images.io.paths import check_no_input
from scorematching.plotting.figures import check_target
from scorematching.plotting.portrait import draw_prior, photograph_for
from scorematching.priors.base import place
from scorematching.priors.store import SHIPPED

#: Of an image no more than this is drawn, its middle: rows, columns.
_LARGEST = 512, 768
#: Side of a sample in pixels.
_SIDE = 64
#: Step size of the sampling, in units of the squared noise level: it makes the noise of the samples 7 % too strong.
_EPSILON = 0.5


def show(
    prior: Annotated[
        str,
        typer.Argument(help=f"A prior written by [bold]fit[/bold], or one that is shipped ({', '.join(SHIPPED)})."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PNG", help="The image.", show_default="PRIOR.png"),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            "--image",
            metavar="FILE",
            help="Whose energy to map, as it is; of colors the mean, of a large one the middle.",
            show_default="a photograph, with noise of the prior's level",
        ),
    ] = None,
    white: WhiteOption = None,
    steps: Annotated[
        int, typer.Option("--steps", min=0, help="Of sampling from the prior; 0 leaves out the samples.")
    ] = 300,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Print what a prior is, and draw what it has learned.

    Drawn are its filters and the frequencies that they see; its experts, the energies of the filters' responses, with
    their derivatives (a deep prior has none); which places of an image carry how much energy; and samples, from
    a walk of [bold]--steps[/bold] steps (Langevin dynamics) that begins with noise on gray and keeps the mean, since
    brightness bears little energy or none. They are images such as the prior was fitted to: of noisy ones, with
    noise, and beside them the same denoised. Contrast is stretched. So short a walk shows texture; a long one, by an
    energy of noisy images, need not stay among images.

    Example: [bold]scorematching show photos.safetensors -o photos.png[/bold]
    Example: [bold]scorematching show natural-gray[/bold]
    """
    where = check_device(device)
    if prior in (NATURAL, SELF):
        raise ValueError(f"{prior} is no prior by itself: expected {' or '.join(SHIPPED)}, or a file")
    model = sm.load_prior(prior).to(where)
    target = output if output is not None else Path(f"{prior}.png")
    check_target(target)
    if image is None:
        subject = photograph_for(model, seed)
    else:
        check_no_input(target, image)
        subject = _middle(image, white, model)
    _describe(model)
    samples = _sample(model, steps, seed) if steps else None
    draw_prior(model, target, subject, samples)
    console.print(f"wrote {target}", highlight=False)


def _describe(model: sm.Prior) -> None:
    """Print a table on a prior."""
    info = model.info
    table = Table(show_header=False, box=None)
    models = {"foe": "field of experts", "pot": "product of Student-t on patches", "deep": "deep convolutional"}
    low, high = (f"{level * 255:.4g}" for level in info.levels)
    sizes = f"{info.filters}, of {info.size} x {info.size} pixels"
    if info.model == "foe":
        octaves = f" in each of {info.octaves} octaves" if info.octaves > 1 else ""
        sizes += f"{octaves}, {info.expert}, filters {'normed' if info.normalize_filters else 'free'}"
    if info.model == "deep":
        sizes = f"{info.depth} layers of {info.filters} channels, {sum(p.numel() for p in model.parameters())} weights"
    rows = {
        "images": "in red, green and blue" if info.colors > 1 else "gray",
        "model": models[info.model],
        "experts": sizes,
        "noise": f"sigma {low if low == high else f'{low} to {high}'} on the 0-255 scale" if info.sigma else "none",
        "lam": f"{info.lam:g}",
        "data": info.data,
        "training": f"{info.steps} steps, seed {info.seed}, scorematching {info.version}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def _middle(path: Path, white: float | None, model: sm.Prior) -> np.ndarray:
    """The middle of an image, (H, W, 3) for a prior of colors, else gray, (H, W); white at 1."""
    planes = to_planes(sm.read_image(path), white).data[:, 0]
    if model.info.colors not in (1, len(planes)):
        raise ValueError(f"{path} is gray, and this prior is one of images in red, green and blue")
    rows, columns = (
        slice((n - min(n, m)) // 2, (n + min(n, m)) // 2) for n, m in zip(planes.shape[1:], _LARGEST, strict=True)
    )
    middle = planes[:, rows, columns]
    return (middle.mean(0) if model.info.colors == 1 else middle.permute(1, 2, 0)).numpy()


def _sample(model: sm.Prior, steps: int, seed: int) -> torch.Tensor:
    """Samples of a prior, planes of their middle, which the mirrored border does not bear on."""
    generator, m = torch.Generator().manual_seed(seed), model.margin
    count, side = 2 if model.info.sigma else 4, _SIDE + 2 * m  # four make a square, as two do with the same denoised
    start = 0.5 + model.level * torch.randn(count, model.info.colors, side, side, generator=generator)
    with step_bar("sampling") as bar:
        samples = sm.langevin(
            model,
            place(start, model, None),
            steps=steps,
            step_size=_EPSILON * model.level**2,
            project=sm.sampling.without_mean,
            generator=generator,
            progress=bar,
        )
    return samples.x[..., m:-m, m:-m]
