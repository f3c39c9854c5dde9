"""How well a fitted prior denoises what was held out: Stein's estimate, and the truth where it is known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorematching.prior import Prior, place
from scorematching.restoration.stein import stein_error
from scorematching.restoration.tweedie import tweedie
from scorematching.training.data import Plane

#: Planes that are looked at; more would make it no surer.
_PLANES = 16


@dataclass(frozen=True)
class HeldOut:
    """Planes that were held out.

    Attributes:
        planes: The planes.
        fresh: Noise to be added to them, where they are clean; white being 1.
        clean: The same without noise, where that is known.
        seed: Of the noise and of Stein's probes.
    """

    planes: Sequence[Plane]
    fresh: float
    clean: Sequence[Plane] | None
    seed: int

    def quality(self, prior: Prior) -> tuple[float | None, float | None]:
        """The PSNR of one Tweedie step, in dB before clipping: Stein's estimate, and the true one if it is known."""
        sigma, generator = prior.info.sigma, torch.Generator().manual_seed(self.seed)
        expected = true = pixels = 0.0
        for noisy, clean in self._pairs(generator):
            y = place(noisy[None], prior, None)
            expected += y.numel() * stein_error(y, sigma, prior, generator)
            if clean is not None:
                true += float((tweedie(y, sigma, prior)[0].detach().cpu() - clean).double().square().sum())
            pixels += y.numel()
        return _decibels(expected / pixels), _decibels(true / pixels)

    def _pairs(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor | None]]:
        for number, plane in enumerate(self.planes[:_PLANES]):
            pixels = plane.pixels()
            if self.fresh:
                yield pixels + self.fresh * torch.randn(pixels.shape, generator=generator), pixels
            else:
                yield pixels, None if self.clean is None else self.clean[number].pixels()


def _decibels(error: float) -> float | None:
    """The PSNR of a mean squared error, white being 1; ``None`` where there is no error."""
    return -10 * math.log10(error) if error > 0 else None
