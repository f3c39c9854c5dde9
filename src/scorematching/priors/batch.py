"""Training batch: the argument of the loss of every prior."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Crops(NamedTuple):
    """Batch of image crops.

    Attributes:
        pixels: Crops, shape (N, C, H, W), with white at 1.
        noise: Noise level of each crop as a fraction of the level of the prior, shape (N,). It is 1 except in blind
            training.
        added: Noise that was added to the last M crops, divided by its fraction of their noise variance, shape
            (M, C, H, W).
    """

    pixels: Tensor
    noise: Tensor
    added: Tensor

    def to(self, device: torch.device) -> Crops:
        """Return the batch on a device."""
        return Crops(*(tensor.to(device) for tensor in self))
