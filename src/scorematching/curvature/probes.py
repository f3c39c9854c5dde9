"""Random probes, and unbiased squares from several of them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from scorematching.curvature.objective import Penalty
from scorematching.runtime.arguments import check_choice

Distribution = Literal["rademacher", "gaussian"]


def draw(like: Tensor, distribution: Distribution, generator: torch.Generator | None) -> Tensor:
    """A probe ``v`` with independent entries of mean 0 and variance 1, of the shape of a tensor."""
    check_choice("distribution", distribution, ("rademacher", "gaussian"))
    device = like.device if generator is None else generator.device
    if distribution == "gaussian":
        return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=device).to(like.device)
    return (torch.randint(2, like.shape, generator=generator, device=device).to(like) * 2) - 1


def unbiased_square(estimates: Tensor) -> Tensor:
    """The square of a mean from independent estimates of it, shape (P, ...), without the bias of their variance.

    A single estimate squared is too large by its variance; products of two independent ones are right in the mean.
    """
    probes = len(estimates)
    return (estimates.sum(0).square() - estimates.square().sum(0)) / (probes * (probes - 1))


def probes_for(probes: int | None, penalty: Penalty) -> int:
    """The number of probes: as given, or as many as the penalty needs."""
    needed = 2 if penalty == "diagonal" else 1
    if probes is not None and probes < needed:
        raise ValueError(f"the square of a random estimate is biased: lam > 0 needs probes of {needed} or more, got 1")
    return needed if probes is None else probes


def check_probes(probes: int | None) -> None:
    """Raise ``ValueError`` where there is no probe."""
    if probes is not None and (not isinstance(probes, int) or isinstance(probes, bool) or probes < 1):
        raise ValueError(f"probes must be a whole number of 1 or more, got {probes!r}")
