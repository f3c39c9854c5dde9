"""Random probes, and unbiased squares of random estimates."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from scorematching.runtime.arguments import check_choice, check_count

Distribution = Literal["rademacher", "gaussian"]


def draw(like: Tensor, distribution: Distribution, generator: torch.Generator | None) -> Tensor:
    """Draw a probe ``v`` of independent entries with mean 0 and variance 1, with the shape of ``like``."""
    check_choice("distribution", distribution, ("rademacher", "gaussian"))
    device = like.device if generator is None else generator.device
    if distribution == "gaussian":
        return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=device).to(like.device)
    return (torch.randint(2, like.shape, generator=generator, device=device).to(like) * 2) - 1


def unbiased_square(estimates: Tensor) -> Tensor:
    """Return an unbiased estimate of a squared mean, from independent estimates of the mean, shape (P, ...).

    The square of one estimate is too large by its variance. The product of two independent estimates is unbiased.
    """
    probes = len(estimates)
    return (estimates.sum(0).square() - estimates.square().sum(0)) / (probes * (probes - 1))


def probes_for(probes: int | None, squared: bool) -> int:
    """Return the number of probes; by default the smallest number that the loss needs.

    Raises:
        ValueError: ``probes`` is 1, but an unbiased square needs 2.
    """
    needed = 2 if squared else 1
    if probes is not None and probes < needed:
        raise ValueError(f"the square of a random estimate is biased: lam > 0 needs probes of {needed} or more, got 1")
    return needed if probes is None else probes


def check_probes(probes: int | None) -> None:
    """Raise ``ValueError`` unless ``probes`` is ``None`` or an integer of 1 or more."""
    if probes is not None:
        check_count("probes", probes)
