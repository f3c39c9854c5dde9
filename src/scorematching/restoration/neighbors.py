"""Neighbors of an image, for priors that see them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from scorematching.images.neighbors import is_blank, level_of
from scorematching.priors.base import Prior
from scorematching.restoration.missing import fill_missing


def check_alone(prior: Prior, what: str) -> None:
    """Raise ``ValueError`` if a prior sees neighbors, which a method does not have.

    Args:
        prior: Prior.
        what: What the method gives, or what it restores, in words.

    Example:
        >>> from scorematching.priors import FieldConfig, build_prior
        >>> check_alone(build_prior(FieldConfig(neighbors=1), 0.1), "error bars")
        Traceback (most recent call last):
        ValueError: this prior sees an image with its neighbors, which error bars don't have: take another prior
    """
    if prior.images > 1:
        raise ValueError(f"this prior sees an image with its neighbors, which {what} don't have: take another prior")


def planes_of_neighbors(
    prior: Prior, image: np.ndarray, neighbors: Sequence[np.ndarray], data_range: float
) -> list[Tensor]:
    """Return the planes of the neighbors of an image, each (C, 1, H, W), at the level of the image.

    Args:
        prior: Prior.
        image: Image.
        neighbors: Its neighbors, in their order. A neighbor that is blank is missing.
        data_range: Value of white in the image.

    Raises:
        TypeError: A neighbor is no array of the type of the image.
        ValueError: The prior sees more or fewer neighbors; or one is blank, or has another shape than the image.

    Example:
        >>> from scorematching.priors import FieldConfig, build_prior
        >>> image = np.random.default_rng(0).random((20, 30))
        >>> found = planes_of_neighbors(build_prior(FieldConfig(neighbors=1), 0.1), image, [image, image], 1.0)
        >>> [planes.shape for planes in found]
        [torch.Size([1, 1, 20, 30]), torch.Size([1, 1, 20, 30])]
    """
    expected = prior.images - 1
    if neighbors and not expected:
        raise ValueError(
            "this prior sees one image, but neighbors were passed: leave them out, or fit a prior with them"
        )
    if len(neighbors) != expected:
        raise ValueError(
            f"this prior sees an image with {expected} neighbors, got {len(neighbors)}: pass neighbors, or a stack "
            "and axes"
        )
    for number, one in enumerate(neighbors, 1):
        if not isinstance(one, np.ndarray) or one.dtype != image.dtype:
            kind = one.dtype if isinstance(one, np.ndarray) else type(one).__name__
            raise TypeError(f"neighbor {number} is of type {kind}, the image of {image.dtype}: pass images of one type")
        if one.shape != image.shape or is_blank(one):
            how = "is blank" if one.shape == image.shape else f"has shape {one.shape}, the image {image.shape}"
            raise ValueError(f"neighbor {number} {how}: pass images of the same scene")
    return [fill_missing(level_of(one, image).apply(one), data_range).planes.data for one in neighbors]
