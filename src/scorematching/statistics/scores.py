"""Scores of models at data: those of energies, and those that a function returns."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from scorematching.curvature.derivatives import score
from scorematching.runtime.validation import check_data

#: An energy, or a function that maps data, shape (N, ...), to scores of the same shape.
Model = nn.Module | Callable[[Tensor], Tensor]
#: Number of entries of the data to process at a time.
ENTRIES = 2**18


def parts_of(x: Tensor) -> tuple[Tensor, ...]:
    """Split data into parts of about :data:`ENTRIES` entries, to bound the memory.

    Example:
        >>> [len(part) for part in parts_of(torch.zeros(5, 100_000))]
        [2, 2, 1]
    """
    return x.split(max(1, ENTRIES // max(1, x[0].numel())))


def check_samples(model: Model, x: Tensor) -> nn.Module:
    """Return the energy, or an empty module for a function; raise unless ``x`` has two valid samples or more."""
    if not callable(model):
        raise TypeError(f"a model must be an energy or a function that returns scores, got {type(model).__name__}")
    energy = model if isinstance(model, nn.Module) else nn.Identity()
    check_data(energy, x, finite=True)
    if len(x) < 2:
        raise ValueError(f"x must have two samples or more, got {len(x)}")
    return energy


@torch.no_grad()
def scores_of(model: Model, x: Tensor) -> Tensor:
    """Return the scores at data, with the shape of ``x``, float64.

    Args:
        model: An energy, of which the scores are computed in parts, or a function, which is called once.
        x: Data, shape (N, ...).

    Raises:
        ValueError: The scores have another shape, or are not finite.

    Example:
        >>> scores_of(lambda x: -x, torch.ones(1, 2))
        tensor([[-1., -1.]], dtype=torch.float64)
    """
    if isinstance(model, nn.Module):
        found = torch.cat([score(model, part, check_finite=False) for part in parts_of(x)])
    else:
        found = model(x)
    if found.shape != x.shape:
        raise ValueError(f"scores must have the shape of x, {tuple(x.shape)}, got {tuple(found.shape)}")
    if bad := (~torch.isfinite(found)).flatten(1).any(1).nonzero()[:, 0].tolist():
        raise ValueError(f"the scores of {len(bad)} of {len(x)} samples are NaN or infinite, the first is x[{bad[0]}]")
    return found.double()
