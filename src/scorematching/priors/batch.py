"""A training batch: what the loss of every prior takes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Crops(NamedTuple):
    """A batch of image crops.

    Attributes:
        pixels: Shape (N, C, H, W), white at 1.
        noise: Noise level of each crop as a fraction of the prior's level, shape (N,): 1 except in blind training.
        added: Noise that was added to the last M crops, divided by its fraction of their noise variance, shape
            (M, C, H, W).
    """

    pixels: Tensor
    noise: Tensor
    added: Tensor

    def to(self, device: torch.device) -> Crops:
        """Return the batch on a device."""
        return Crops(*(tensor.to(device) for tensor in self))
