"""Where planes are computed."""

from __future__ import annotations

import torch
from torch import Tensor

from scorematching.priors.base import Prior


def move(planes: Tensor, prior: Prior, device: str | torch.device | None) -> Tensor:
    """Return planes on the device and in the precision of a prior, which is first moved to ``device`` if given."""
    if device is not None:
        prior.to(device)
    return planes.to(next(prior.parameters()))
