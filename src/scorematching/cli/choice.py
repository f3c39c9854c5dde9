"""Which prior a picture gets: a shipped one, by whether there is colour in it; a file; one learned from itself."""

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
from scorematching.restoration.color import is_coloured
from scorematching.training import fit

#: The prior for a picture.
PriorFor = Callable[[np.ndarray], Prior]

#: In the place of a prior's name: the shipped one that suits each picture. So it is where none is named.
NATURAL = "natural"
#: In the place of a prior's name: it is learned from the pictures themselves.
SELF = "self"
#: Of learning from the picture itself.
_STEPS = 600
PriorOption = Annotated[
    str,
    typer.Option(
        "--prior",
        metavar="NAME|FILE",
        help=f"One that is shipped ({', '.join(SHIPPED)}, the last one not for commercial use; [bold]natural[/bold] is "
        "natural-colour or natural-grey, whichever suits each picture; natural-grey-small takes a sixth of the time), "
        "a file of [bold]fit[/bold], or [bold]self[/bold]: learned from the picture itself.",
    ),
]
LearningOption = Annotated[
    int | None,
    typer.Option("--steps", min=1, help="Of learning, with --prior self.", show_default=str(_STEPS)),
]


def named_prior(name: str) -> PriorFor:
    """A prior by its name or file."""
    if name == NATURAL:
        return lambda picture: _shipped("natural-colour" if is_coloured(picture) else "natural-grey")
    prior = load_prior(name)
    return lambda _: prior


def choose_prior(
    name: str,
    pictures: list[Path],
    *,
    sigma: float | None,
    noisy: bool,
    gain: float | None = None,
    offset: float = 0.0,
    peak: float | None,
    steps: int | None,
    seed: int,
    device: torch.device,
) -> PriorFor:
    """A prior by its name or file, or of the pictures themselves that are to be restored, with a progress bar.

    Of several pictures those that can't be read are left out of the learning.
    """
    if name != SELF:
        if steps is not None:
            raise ValueError(f"--steps is for learning from the picture (--prior self), not for --prior {name}")
        return named_prior(name)
    with fit_bar("learning from the picture") as progress:
        result = fit(
            [path for path in pictures if _can_be_read(path)] or pictures,
            sigma=sigma,
            noisy=noisy,
            gain=gain,
            offset=offset,
            peak=peak,
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
