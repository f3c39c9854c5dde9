"""Diagnostics of chains: effective sample size and R-hat, computed by ArviZ."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scorematching.runtime.extras import required
from scorematching.runtime.kinds import check_arguments

#: R-hat above which the chains have not mixed.
R_HAT = 1.05
#: Maximum number of rows that ``print`` shows.
_ROWS = 20


class SamplingWarning(UserWarning):
    """Chains have not mixed, or an estimate from samples has a large error."""


@dataclass(frozen=True, eq=False)
class Summary:
    """Result of :func:`summarize`. ``print`` shows a table.

    Attributes:
        mean: Mean of each entry over all draws, with the shape of a sample, float64.
        std: Standard deviation of each entry.
        standard_error: Monte Carlo standard error of the mean.
        effective_sample_size: As in :func:`effective_sample_size`.
        r_hat: As in :func:`r_hat`.
    """

    mean: Tensor
    std: Tensor
    standard_error: Tensor
    effective_sample_size: Tensor
    r_hat: Tensor

    def __str__(self) -> str:
        columns = [self.mean, self.std, self.standard_error, self.effective_sample_size, self.r_hat]
        rows = zip(*(column.flatten().tolist() for column in columns), strict=True)
        labels = ["x" + str(list(i)) if i else "x" for i in itertools.product(*map(range, self.mean.shape))]
        wide = max(map(len, labels[:_ROWS]))
        lines = [f"{'':{wide}}        mean         std  std. error      ESS   R-hat"]
        for label, (mean, std, error, size, r) in itertools.islice(zip(labels, rows, strict=True), _ROWS):
            lines.append(f"{label:{wide}}  {mean:10.4g}  {std:10.4g}  {error:10.2g}  {size:7.0f}  {r:6.3f}")
        if (hidden := len(labels) - _ROWS) > 0:
            lines.append(f"... and {hidden} more")
        return "\n".join(lines)


def effective_sample_size(draws: Tensor) -> Tensor:
    """Return the number of independent draws that are worth the same, for each entry of a sample.

    This is the rank-normalized size for the bulk of the distribution (Vehtari et al. 2021). It needs ArviZ:
    ``pip install 'scorematching[statistics]'``.

    Args:
        draws: Draws of the chains, shape (draws, N, ...), as in :class:`Samples`. Four draws or more.

    Raises:
        TypeError: ``draws`` is not a tensor.
        ValueError: There are too few draws, a draw is not finite, or ArviZ is not installed.

    Example:
        >>> independent = torch.randn(100, 4, 2, generator=torch.Generator().manual_seed(0))
        >>> bool((effective_sample_size(independent) > 300).all())
        True
        >>> bool((effective_sample_size(independent.cumsum(0)) < 40).all())
        True
    """
    return _by_arviz("ess", _checked(draws, 1))


def r_hat(draws: Tensor) -> Tensor:
    """Return how much the chains differ from one another, for each entry of a sample: 1 if they have mixed.

    This is the rank-normalized split R-hat (Vehtari et al. 2021). Above 1.05 the chains have not mixed: run them
    longer, or with ``temperatures``. It needs ArviZ: ``pip install 'scorematching[statistics]'``.

    Args:
        draws: Draws of the chains, shape (draws, N, ...), as in :class:`Samples`. Four draws and two chains, or more.
            The chains should start far from one another.

    Raises:
        TypeError: ``draws`` is not a tensor.
        ValueError: There are too few draws or chains, a draw is not finite, or ArviZ is not installed.

    Example:
        >>> independent = torch.randn(100, 4, 1, generator=torch.Generator().manual_seed(0))
        >>> apart = independent + 3 * torch.arange(4)[:, None]
        >>> bool(r_hat(independent) < 1.05), bool(r_hat(apart) > 2)
        (True, True)
    """
    found = _by_arviz("rhat", _checked(draws, 2))
    if not bool(torch.isfinite(found).all()):
        warnings.warn(
            "R-hat is NaN or infinite where the draws do not vary: run the chains longer, or with a larger step",
            SamplingWarning,
            stacklevel=2,
        )
    return found


def summarize(draws: Tensor) -> Summary:
    """Return mean, standard deviation and diagnostics of each entry of a sample.

    Args:
        draws: Draws of the chains, as in :func:`r_hat`. Of angles, pass their sines and cosines.

    Warns:
        SamplingWarning: R-hat is above 1.05.

    Raises:
        TypeError: ``draws`` is not a tensor.
        ValueError: As in :func:`r_hat`.

    Example:
        >>> print(summarize(torch.randn(500, 4, 2, generator=torch.Generator().manual_seed(0))))
                    mean         std  std. error      ESS   R-hat
        x[0]    -0.01996      0.9739       0.022     1964   1.001
        x[1]    0.006791       1.013       0.024     1750   1.002
    """
    values = _checked(draws, 2)
    found = Summary(
        torch.from_numpy(values.mean((0, 1), keepdims=True)[0, 0]),
        torch.from_numpy(values.std((0, 1), ddof=1, keepdims=True)[0, 0]),
        *(_by_arviz(name, values) for name in ("mcse", "ess", "rhat")),
    )
    if not bool((found.r_hat <= R_HAT).all()):
        warnings.warn(
            f"R-hat is up to {float(found.r_hat.max()):.3g}, so the chains have not mixed: run them longer, or with "
            "temperatures if there are several modes",
            SamplingWarning,
            stacklevel=2,
        )
    return found


def _checked(draws: Tensor, chains: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return draws as an array, float64; raise if there are fewer than 4, or too few chains."""
    if not isinstance(draws, Tensor):
        raise TypeError(f"draws must be a torch tensor, got {type(draws).__name__}: sample with keep=1")
    check_arguments(_checked, locals())
    if draws.ndim < 2 or len(draws) < 4 or draws.shape[1] < chains:
        raise ValueError(
            f"draws must have the shape (draws, N, ...), with 4 draws or more and N of {chains} or more, got "
            f"{tuple(draws.shape)}"
        )
    if not bool(torch.isfinite(draws).all()):
        raise ValueError("draws has entries that are NaN or infinite")
    return draws.detach().cpu().double().numpy()


def _by_arviz(name: str, values: np.ndarray[Any, np.dtype[np.float64]]) -> Tensor:
    """Return what a function of ArviZ says of draws, with the shape of a sample."""
    function: Callable[..., Any] = getattr(required("arviz_stats.base", "statistics").array_stats, name)
    with np.errstate(divide="ignore", invalid="ignore"):  # entries that are constant in each chain
        return torch.from_numpy(np.asarray(function(values, chain_axis=1, draw_axis=0), dtype=np.float64))
