"""Choice of the prior for an image: the given one, or the default prior for its colors."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from torch import Tensor

from scorematching.images.arrays import to_planes
from scorematching.priors.base import Prior
from scorematching.priors.names import NATURAL_COLOR, NATURAL_GRAY
from scorematching.priors.store import load_prior
from scorematching.restoration.color import distinct
from scorematching.runtime.kinds import check_arguments

#: A prior, its name or its file; ``None`` for the default prior for the colors of the image.
PriorChoice = Prior | str | Path | None


def prior_for(image: np.ndarray, prior: PriorChoice) -> Prior:
    """Return the prior for an image.

    Args:
        image: As in :func:`scorematching.images.to_planes`.
        prior: A prior, the name of one that comes with this library, or a file. If ``None``, ``"natural-color"`` for
            color images and ``"natural-gray"`` for grayscale images, including grayscale stored as color.

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: ``prior`` is of another type.
        ValueError: The shape of the image is not supported, or the file is not a prior.

    Example:
        >>> prior_for(np.zeros((8, 8), np.uint8), None).config.colors
        1
    """
    check_arguments(prior_for, locals())
    return prior_for_planes(to_planes(image).data, prior)


def prior_for_planes(planes: Tensor, prior: PriorChoice) -> Prior:
    """Return the prior for the planes of an image, shape (C, 1, H, W); see :func:`prior_for`."""
    chosen = loaded(prior)
    return _shipped(NATURAL_COLOR if len(distinct(planes)) > 1 else NATURAL_GRAY) if chosen is None else chosen


def loaded(prior: PriorChoice) -> Prior | None:
    """Return a prior, or read it by its name or file; ``None`` for the default one.

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: ``prior`` is of another type.
        ValueError: The file is not a prior.

    Example:
        >>> loaded("natural-gray").config.colors
        1
    """
    if prior is None or isinstance(prior, Prior):
        return prior
    if isinstance(prior, str | Path):
        return load_prior(prior)
    raise TypeError(f"prior must be a Prior, a name or a file, got {type(prior).__name__}")


@cache
def _shipped(name: str) -> Prior:
    return load_prior(name)
