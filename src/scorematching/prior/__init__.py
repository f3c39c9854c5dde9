"""Image priors: one file a kind."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scorematching.prior.base import Prior
from scorematching.prior.deep import DeepPrior
from scorematching.prior.field import FieldPrior
from scorematching.prior.info import ModelName, PriorInfo
from scorematching.prior.patches import PatchPrior

__all__ = ["DeepPrior", "FieldPrior", "ModelName", "PatchPrior", "Prior", "PriorInfo", "build_prior", "place"]

_KINDS: dict[ModelName, Callable[[PriorInfo], Prior]] = {"foe": FieldPrior, "pot": PatchPrior, "deep": DeepPrior}


def build_prior(info: PriorInfo) -> Prior:
    """An untrained prior.

    Raises:
        ValueError: A size is out of its range.
    """
    return _KINDS[info.model](info).float()


def place(planes: Tensor, prior: Prior, device: str | torch.device | None) -> Tensor:
    """Planes with the device and precision of a prior, after it was moved to ``device`` if one is given."""
    if device is not None:
        prior.to(device)
    return planes.to(next(prior.parameters()))
