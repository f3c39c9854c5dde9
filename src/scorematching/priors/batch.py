"""Training batch: the argument of the loss of every prior."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class BatchPart(NamedTuple):
    """Place of crops in a larger batch, whose random probes are drawn for all.

    Attributes:
        own: Number of its crops without added noise.
        places: Places of the crops.
    """

    own: int
    places: slice


class Crops(NamedTuple):
    """Batch of image crops.

    Attributes:
        pixels: Crops, shape (N, C, H, W), with white at 1.
        noise: Noise level of each crop as a fraction of the level of the prior, shape (N,). It is 1 except in blind
            training.
        added: Noise that was added to the last M crops, divided by its fraction of their noise variance, shape
            (M, C, H, W).
        part: Place in a larger batch, of which each process has a part; ``None`` for a whole batch.
    """

    pixels: Tensor
    noise: Tensor
    added: Tensor
    part: BatchPart | None = None

    def to(self, device: torch.device) -> Crops:
        """Return the batch on a device."""
        return Crops(self.pixels.to(device), self.noise.to(device), self.added.to(device), self.part)

    @property
    def own(self) -> int:
        """Number of crops without added noise, which come first."""
        return len(self.pixels) - len(self.added)

    def of_process(self, rank: int, count: int) -> Crops:
        """Return the crops of one of several processes: every ``count``-th one, from ``rank``."""
        if count == 1:
            return self
        every = slice(rank, None, count)
        added = self.added[(rank - self.own) % count :: count] if len(self.added) else self.added
        return Crops(self.pixels[every], self.noise[every], added, BatchPart(self.own, every))
