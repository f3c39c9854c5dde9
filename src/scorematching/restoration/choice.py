"""The prior for an image: the given one, or the natural one for its colors."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from scorematching.priors.base import Prior
from scorematching.priors.names import NATURAL_COLOR, NATURAL_GRAY
from scorematching.priors.store import load_prior
from scorematching.restoration.color import is_colored

#: A prior, its name or file; ``None`` for the natural one.
PriorChoice = Prior | str | Path | None


def prior_for(image: np.ndarray, prior: PriorChoice) -> Prior:
    """Return the prior for an image.

    Args:
        image: As in :func:`scorematching.images.to_planes`.
        prior: A prior, the name of one that comes with this library, or a file. ``None`` stands for
            ``"natural-color"`` if the image has colors, and for ``"natural-gray"`` otherwise.

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: ``prior`` is of another type.
        ValueError: The file is not a prior.

    Example:
        >>> prior_for(np.zeros((8, 8), np.uint8), None).config.colors
        1
    """
    if isinstance(prior, Prior):
        return prior
    if prior is None:
        return _shipped(NATURAL_COLOR if is_colored(image) else NATURAL_GRAY)
    if isinstance(prior, str | Path):
        return load_prior(prior)
    raise TypeError(f"prior must be a Prior, a name or a file, got {type(prior).__name__}")


@cache
def _shipped(name: str) -> Prior:
    return load_prior(name)
