"""Repeated values in data: there the loss of score matching has no lower bound, on held-out data as well."""

from __future__ import annotations

import warnings
from weakref import WeakSet

import torch
from torch import Tensor, nn

from scorematching.runtime.kinds import check_arguments

#: Number of samples that are looked at, and the number of their entries.
_MOST, _ENTRIES = 5000, 2**22
#: Number of samples that tell repeated values.
_LEAST = 100
#: Number and fraction of repeated values that are accepted: rounding to float32 repeats fewer.
_FEW, _FRACTION = 1, 0.01


class RepeatedValuesWarning(UserWarning):
    """Data repeat their values, as integers and 8-bit images do, and there is no regularizer."""


_warned: WeakSet[nn.Module] = WeakSet()


@torch.no_grad()
def warn_of_repeats(energy: nn.Module, x: Tensor, weight: Tensor | None) -> None:
    """Warn, once for an energy, if the values of an input repeat.

    Args:
        energy: The model.
        x: Data, shape (N, ...). Fewer than 100 samples tell nothing.
        weight: Weights of the inputs, with the shape of the batch or of one sample. Entries of weight 0 may repeat.

    Warns:
        RepeatedValuesWarning: They do.
    """
    if len(x) < _LEAST or energy in _warned:
        return
    _warned.add(energy)
    rows = _some(x if weight is None else x.masked_fill(weight.expand_as(x) == 0, torch.nan))
    different = rows.unique(dim=0)  # a batch may have a sample twice
    found = repeated(different) if 2 * len(different) > len(rows) else repeated(rows)
    if len(found):
        warnings.warn(
            f"{len(found)} of {x[0].numel()} inputs have repeated values, such as integers, 8-bit data or constants "
            f"(the first is input {int(found[0])}), and lam is 0: an energy that can put a spike on each value has no "
            "smallest loss. Pass lam above 0, or add noise to the data, and leave constant inputs out",
            RepeatedValuesWarning,
            stacklevel=3,
        )


@torch.no_grad()
def repeated(x: Tensor) -> Tensor:
    """Return the numbers of the inputs whose values repeat, in the order of ``x[0].flatten()``.

    A density has no repeated values. They come from rounding, such as to 8 bits, from clipping, and from samples that
    are there twice. A model that puts a spike on each value has an arbitrarily low loss J, on held-out data as well.
    A regularizer ``lam`` above 0, or noise that is added to the data, prevents this.

    Args:
        x: Data, shape (N, ...). Up to 5,000 samples are looked at, fewer of large samples.

    Example:
        >>> x = torch.rand(1000, 3)
        >>> x[:, 1] = (255 * x[:, 1]).round() / 255
        >>> repeated(x)
        tensor([1])
    """
    check_arguments(repeated, locals())
    if x.ndim < 2:
        raise ValueError(f"x must be a batch, shape (N, ...), got {tuple(x.shape)}")
    rows = _some(x)
    again = (rows.sort(0).values.diff(dim=0) == 0).sum(0)
    return (again > max(_FEW, _FRACTION * len(rows))).nonzero()[:, 0]


def _some(x: Tensor) -> Tensor:
    """Return up to 5,000 flattened samples, fewer of large ones."""
    rows = x.flatten(1)
    return rows[: min(_MOST, max(2, _ENTRIES // max(1, rows.shape[1])))]
