"""Values at which pixels are saturated."""

from __future__ import annotations

import math

import numpy as np

#: Fraction of the values at the largest one, and their number relative to those at the second largest value, from which
#: pixels count as saturated.
_SHARE, _PILE = 1e-3, 2


def saturation(values: np.ndarray) -> float:
    """Return the value at which pixels are saturated, or infinity.

    Many values at the largest one are saturated, if few are at the second largest. The tail of noise falls instead.

    Args:
        values: Finite values of any shape.

    Example:
        >>> noisy = np.random.default_rng(0).normal(100, 20, 10_000)
        >>> saturation(noisy), saturation(np.minimum(noisy, 120.0))
        (inf, 120.0)
    """
    top = values.max()
    count = np.count_nonzero(values == top)
    if count < _SHARE * values.size or count == values.size:
        return math.inf
    second = values.max(initial=values.min(), where=values < top)
    return float(top) if count > _PILE * np.count_nonzero(values == second) else math.inf
