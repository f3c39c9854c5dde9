"""Which entries are missing: checks, and a warning if it depends on the data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from weakref import WeakSet

import torch
from torch import Tensor, nn

from scorematching.runtime.arguments import check_count
from scorematching.runtime.validation import check_data

#: Number of samples that tell a dependence, and the size of a dependence in standard errors.
_LEAST, _FAR = 500, 6.0
#: Distance from the mean, in standard deviations, at which values are clipped, so that few of them don't decide.
_CLIP = 3.0

_warned: WeakSet[nn.Module] = WeakSet()


class MissingnessWarning(UserWarning):
    """Which entries are missing depends on the data, so the loss is biased."""


def check_missing(energy: nn.Module, x: Tensor, causes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return True for the observed entries, with the shape of ``x``, and for the causes, with that of one sample.

    Raises:
        TypeError: ``energy`` is not a module, or ``x`` is not of floating point.
        ValueError: A shape does not fit, an entry is infinite, a sample has no observed entry, or a cause is missing.
    """
    check_data(energy, x, finite=False)
    if bool(x.isinf().any()):
        raise ValueError(f"x has {int(x.isinf().sum())} infinite entries, of {x.numel()}; NaN stands for missing ones")
    observed = ~x.isnan()
    rows = observed.flatten(1)
    if bool((empty := ~rows.any(1)).any()):
        raise ValueError(
            f"{int(empty.sum())} samples have no observed entry, the first is number {int(empty.nonzero()[0])}: leave "
            "them out"
        )
    chosen = torch.zeros_like(rows[0])
    for cause in causes:
        chosen[check_count("each of causes", cause, least=0, most=rows.shape[1] - 1)] = True
        if not bool(rows[:, cause].all()):
            raise ValueError(
                f"causes must be observed in every sample, and input {cause} is missing in sample "
                f"{int((~rows[:, cause]).nonzero()[0])}: weight the losses of reduction='none' by the inverse "
                "probability of the missing pattern instead"
            )
    return observed, chosen.view(x.shape[1:])


@torch.no_grad()
def warn_of_selection(energy: nn.Module, x: Tensor) -> None:
    """Warn, once for an energy, if an entry is missing more often where another one is large, small or extreme.

    Args:
        energy: The model.
        x: Data, shape (N, ...), NaN where missing. Fewer than 500 samples tell nothing.

    Warns:
        MissingnessWarning: It is.

    Example:
        >>> x = torch.randn(1000, 3)
        >>> x[:, 1][torch.rand(1000) < 0.3] = torch.nan
        >>> warn_of_selection(nn.Identity(), x)
    """
    if len(x) < _LEAST or energy in _warned:
        return
    _warned.add(energy)
    rows = x.flatten(1)
    seen, missing = (~rows.isnan()).to(x), rows.isnan().to(x)
    counts = seen.sum(0).clamp_min(1)
    standard = _standard(rows.nan_to_num(nan=0.0), seen, counts).clamp(-_CLIP, _CLIP)
    share = seen.T @ missing / counts[:, None]  # of entry j, where entry i is observed
    error = (share * (1 - share) * counts[:, None]).sqrt()
    far = torch.stack(
        [_standard(feature, seen, counts).T @ missing / error for feature in (standard, standard.square())]
    )
    far = torch.where(error > 0, far, 0.0)
    kind, one, two = (int(i) for i in torch.unravel_index(far.abs().argmax(), far.shape))
    size = float(far[kind, one, two])
    if abs(size) > _FAR:
        where = (("small", "large"), ("near its mean", "far from its mean"))[kind][size > 0]
        warnings.warn(
            f"input {two} is missing more often where input {one} is {where}, and then the loss is biased. If what is "
            f"missing depends on inputs that are always observed, name all of these: causes=[{one}, ...]. Otherwise "
            "weight the losses of reduction='none' by the inverse probability of the missing pattern",
            MissingnessWarning,
            stacklevel=3,
        )


def _standard(values: Tensor, seen: Tensor, counts: Tensor) -> Tensor:
    """Return values with mean 0 and variance 1 over the observed entries, and 0 elsewhere."""
    centered = (values - (seen * values).sum(0) / counts) * seen
    scale = (centered.square().sum(0) / counts).sqrt()
    return torch.where(scale > 0, centered / scale, 0.0)
