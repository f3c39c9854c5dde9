"""Repeated values in data: there the loss of score matching has no lower bound, on held-out data as well."""

from __future__ import annotations

import torch
from torch import Tensor

#: Number of samples that are looked at, and the number of their entries.
_MOST, _ENTRIES = 5000, 2**22
#: Number and fraction of repeated values that are accepted: rounding to float32 repeats fewer.
_FEW, _FRACTION = 1, 0.01


class RepeatedValuesWarning(UserWarning):
    """Data repeat their values, as integers and 8-bit images do, and there is no regularizer."""


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
    rows = x.flatten(1)
    rows = rows[: min(_MOST, max(2, _ENTRIES // max(1, rows.shape[1])))]
    again = (rows.sort(0).values.diff(dim=0) == 0).sum(0)
    return (again > max(_FEW, _FRACTION * len(rows))).nonzero()[:, 0]
