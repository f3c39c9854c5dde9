"""Which prior an image gets: a shipped one, by whether there is color in it; a file; one learned from itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from scorematching.cli.common import fit_bar
from scorematching.images import find_white, read_pages
from scorematching.priors.base import Prior
from scorematching.priors.store import SHIPPED, load_prior
from scorematching.restoration.color import is_colored
from scorematching.training import fit

#: The prior for an image.
PriorFor = Callable[[np.ndarray], Prior]

#: In the place of a prior's name: the shipped one that suits each image. So it is where none is named.
NATURAL = "natural"
#: In the place of a prior's name: it is learned from the images themselves.
SELF = "self"
#: Of learning from the image itself.
_STEPS = 600
PriorOption = Annotated[
    str,
    typer.Option(
        "--prior",
        metavar="NAME|FILE",
        help=f"One that is shipped ({', '.join(SHIPPED)}, the last one not for commercial use; [bold]natural[/bold] is "
        "natural-color or natural-gray, whichever suits each image; natural-gray-small takes a sixth of the time), "
        "a file of [bold]fit[/bold], or [bold]self[/bold]: learned from the image itself.",
    ),
]
LearningOption = Annotated[
    int | None,
    typer.Option("--steps", min=1, help="Of learning, with --prior self.", show_default=str(_STEPS)),
]


def named_prior(name: str) -> PriorFor:
    """A prior by its name or file."""
    if name == NATURAL:
        return lambda image: _shipped("natural-color" if is_colored(image) else "natural-gray")
    prior = load_prior(name)
    return lambda _: prior


def choose_prior(
    name: str,
    images: list[Path],
    *,
    sigma: float | None,
    noisy: bool,
    gain: float | None = None,
    offset: float = 0.0,
    data_range: float | None,
    steps: int | None,
    seed: int,
    device: torch.device,
) -> PriorFor:
    """A prior by its name or file, or of the images themselves that are to be restored, with a progress bar.

    Of several images those that can't be read are left out of the learning.
    """
    if name != SELF:
        if steps is not None:
            raise ValueError(f"--steps is for learning from the image (--prior self), not for --prior {name}")
        return named_prior(name)
    with fit_bar("learning from the image") as progress:
        result = fit(
            [path for path in images if _can_be_read(path)] or images,
            sigma=sigma,
            noisy=noisy,
            gain=gain,
            offset=offset,
            data_range=data_range,
            steps=steps or _STEPS,
            seed=seed,
            device=device,
            progress=progress,
        )
    return lambda _: result.prior


def _can_be_read(path: Path) -> bool:
    try:
        for page in read_pages(path):
            find_white(page)
    except (ValueError, TypeError, OSError):
        return False
    return True


@cache
def _shipped(name: str) -> Prior:
    return load_prior(name)
