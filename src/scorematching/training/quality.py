"""How well a fitted prior denoises what was held out: Stein's estimate, and the truth where it is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorematching.priors.base import Prior, move
from scorematching.priors.stein_risk import stein_error
from scorematching.priors.tweedie import tweedie
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
        """The PSNR of one Tweedie step, in dB before clipping: Stein's estimate, and the true one if it is known.

        White is 1 whatever the contrast of a plane. Planes that are too small for the prior are left out.
        """
        sigma, generator = prior.unit, torch.Generator().manual_seed(self.seed)
        expected = true = 0.0
        pixels = 0
        for plane, truth in self._pairs(prior.min_size):
            noisy, clean = self._seen(plane, truth, generator)
            y = move(noisy[None], prior, None)
            expected += y.numel() * stein_error(y, sigma, prior, generator) / plane.contrast**2
            if clean is not None:
                error = tweedie(y, sigma, prior)[0].detach().cpu() - clean
                true += float(error.double().square().sum()) / plane.contrast**2
            pixels += y.numel()
        return _decibels(expected, pixels), _decibels(true, pixels)

    def _pairs(self, least: int) -> list[tuple[Plane, Plane | None]]:
        """Planes of so many rows and columns or more, and what is known of them without noise."""
        clean = self.clean if self.clean is not None else [None] * len(self.planes)
        large = [pair for pair in zip(self.planes, clean, strict=True) if min(pair[0].shape) >= least]
        return large[:_PLANES]

    def _seen(self, plane: Plane, truth: Plane | None, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Noisy and, if known, clean pixels."""
        pixels = plane.pixels()
        if self.fresh:
            return pixels + self.fresh * torch.randn(pixels.shape, generator=generator), pixels
        return pixels, None if truth is None else truth.pixels()


def _decibels(error: float, pixels: int) -> float | None:
    """The PSNR of a sum of squared errors, white being 1; ``None`` where there is no error."""
    return -10 * math.log10(error / pixels) if error > 0 else None
