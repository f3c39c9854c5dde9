"""Quality of a fitted prior on held-out images: Stein's estimate, and the true PSNR if clean images are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorematching.priors.base import Prior, move
from scorematching.priors.posterior import tweedie
from scorematching.priors.stein_risk import stein_error
from scorematching.training.data import Plane

#: Maximum number of planes that are denoised.
_PLANES = 16


@dataclass(frozen=True)
class HeldOut:
    """Held-out planes.

    Attributes:
        planes: Planes, noisy or clean.
        fresh: Level of the noise that is added to clean planes, with white at 1; 0 for noisy planes.
        clean: The same planes without noise, if known.
        seed: Seed of the noise and of Stein's probes.
    """

    planes: Sequence[Plane]
    fresh: float
    clean: Sequence[Plane] | None
    seed: int

    def quality(self, prior: Prior) -> tuple[float | None, float | None]:
        """Return the PSNR of one Tweedie step, in dB before clipping: Stein's estimate, and the true one if known.

        The errors are those at contrast 1, with white at 1. Planes that are too small for the prior are left out.
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
        """Return planes of a minimum size, each with its clean plane, or ``None`` if that is unknown."""
        clean = self.clean if self.clean is not None else [None] * len(self.planes)
        large = [pair for pair in zip(self.planes, clean, strict=True) if min(pair[0].shape) >= least]
        return large[:_PLANES]

    def _seen(self, plane: Plane, truth: Plane | None, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Return noisy pixels, and clean pixels if known."""
        pixels = plane.pixels()
        if self.fresh:
            return pixels + self.fresh * torch.randn(pixels.shape, generator=generator), pixels
        return pixels, None if truth is None else truth.pixels()


def _decibels(error: float, pixels: int) -> float | None:
    """Return the PSNR of a sum of squared errors, with white at 1; ``None`` if there is no error."""
    return -10 * math.log10(error / pixels) if error > 0 else None
