"""Warning for data in a bounded domain that is not named: there score matching is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from weakref import WeakSet

import torch
from torch import Tensor, nn

#: Number of samples that tell a bound, and the number that are looked at.
_LEAST, _MOST = 500, 5000
#: Two quantiles, and the least quotient of their distances from the extreme at a bound. It is 2 if the density is flat
#: there, more if it grows, and less in the tails of a density without a bound.
_QUANTILES, _QUOTIENT = (0.05, 0.1), 1.75
#: Number of values next to a bound; fewer come from data that are rounded coarsely.
_DISTINCT = 5
#: Fraction of the inputs that look bounded by chance, if none is.
_CHANCE = 0.01
#: Largest deviation of a sum or norm from 1.
_ROUNDING = 1e-4

_warned: WeakSet[nn.Module | Callable[[Tensor], Tensor]] = WeakSet()


class DomainWarning(UserWarning):
    """Data look bounded, and no domain is given."""


@torch.no_grad()
def warn_of_bounds(energy: nn.Module | Callable[[Tensor], Tensor], x: Tensor, weight: Tensor | None = None) -> None:
    """Warn, once for an energy, if data end at a bound, or lie on the unit simplex or sphere.

    Args:
        energy: The model, or a function that returns its scores.
        x: Data, shape (N, ...). Fewer than 500 samples tell nothing.
        weight: Weights of the inputs, with the shape of the batch or of one sample. Inputs of weight 0 may be bounded.

    Warns:
        DomainWarning: They do.

    Example:
        >>> warn_of_bounds(nn.Identity(), torch.randn(1000, 3))
    """
    if len(x) < _LEAST or energy in _warned:
        return
    _warned.add(energy)
    rows = x[:_MOST].flatten(1)
    if weight is not None:
        rows = rows[:, weight.expand_as(x)[:_MOST].flatten(1).any(0)]
    if where := _described(rows):
        warnings.warn(
            f"{where}, and score matching without a domain is wrong there: pass domain (such as 'positive'), or "
            "transform the data",
            DomainWarning,
            stacklevel=3,
        )


def _described(rows: Tensor) -> str:
    """Return where data lie, in words; nothing if they do not look bounded."""
    if rows.shape[1] > 1:
        if bool((rows >= 0).all()) and bool(((rows.sum(1) - 1).abs() < _ROUNDING).all()):
            return "the data lie on the unit simplex (domain='simplex')"
        if bool(((rows.norm(dim=1) - 1).abs() < _ROUNDING).all()):
            return "the data lie on the unit sphere (domain='sphere')"
    ordered, places = rows.sort(0).values, []
    for values, name in ((ordered, "lowest"), (ordered.flip(0), "largest")):
        one, two = ((values[int(q * len(rows))] - values[0]).abs() for q in _QUANTILES)
        distinct = (values[: int(_QUANTILES[1] * len(rows))].diff(dim=0) != 0).sum(0)
        found = (two > _QUOTIENT * one) & (distinct >= _DISTINCT)
        places += [(int(i), name, float(values[0, i])) for i in found.nonzero()[:, 0]]
    if len(places) <= _CHANCE * rows.shape[1]:
        return ""
    number, name, end = places[0]
    return f"many samples are next to the {name} value of input {number}, {end:.3g}, as at a bound"
