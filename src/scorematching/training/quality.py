"""Quality of a fitted prior on held-out images: Stein's estimate, and the true PSNR if clean images are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.priors.devices import move
from scorematching.priors.posterior import tweedie
from scorematching.priors.stein_risk import stein_error
from scorematching.training.planes import Plane

#: Maximum number of planes that are denoised.
_PLANES = 16


class Quality(NamedTuple):
    """Mean squared errors of a denoiser on held-out images, with white at 1; ``None`` if unknown.

    Attributes:
        expected: Stein's estimate of the error of denoised images. It may be negative.
        true: True error of denoised images.
        noise: Error of the noisy images.
    """

    expected: float | None = None
    true: float | None = None
    noise: float | None = None

    @property
    def expected_psnr(self) -> float | None:
        """PSNR in dB by Stein's estimate; ``None`` if it is unknown or not positive."""
        return _decibels(self.expected)

    @property
    def psnr(self) -> float | None:
        """True PSNR in dB."""
        return _decibels(self.true)

    @property
    def advice(self) -> str | None:
        """Advice if the expected error is impossible or no better than no denoising."""
        if self.expected is None or self.noise is None or 0 < self.expected <= self.noise:
            return None
        if self.expected <= 0:
            return (
                f"Stein's estimate of the squared error is not above 0: {self.expected / self.noise:.2g} times that of "
                "the noise. The noise is weaker than stated, or of another kind: pass a lower noise, or one of the "
                "right correlation (scorematching noise), or train on more pixels"
            )
        return (
            f"the expected squared error of denoised images is {self.expected / self.noise:.3g} times that of the "
            "noisy images, so the prior makes them worse: train for more steps, with a lower rate or on more images, "
            "or denoise with a prior that comes with the library"
        )


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

    def quality(self, prior: Prior) -> Quality:
        """Return the errors of one Tweedie step, before clipping.

        The errors are those at contrast 1, with white at 1. Planes that are too small for the prior are left out.
        """
        sigma, generator = prior.unit, torch.Generator().manual_seed(self.seed)
        expected = true = noise = 0.0
        pixels = 0
        for plane, truth in self._pairs(prior.min_size):
            noisy, clean = self._seen(plane, truth, generator)
            y = move(noisy[None], prior, None)
            count = y[:, prior.own].numel()
            expected += count * stein_error(y, sigma, prior, generator) / plane.contrast**2
            if clean is not None:
                error = (tweedie(y, sigma, prior)[0].detach().cpu() - clean)[prior.own]
                true += float(error.double().square().sum()) / plane.contrast**2
            noise += count * sigma**2 / plane.contrast**2
            pixels += count
        if not pixels:
            return Quality()
        return Quality(expected / pixels, true / pixels if self.clean is not None else None, noise / pixels)

    def _pairs(self, least: int) -> list[tuple[Plane, Plane | None]]:
        """Return planes of a minimum size, each with its clean plane, or ``None`` if that is unknown."""
        clean = self.clean if self.clean is not None else [None] * len(self.planes)
        large = [pair for pair in zip(self.planes, clean, strict=True) if min(pair[0].shape) >= least]
        return [(plane.known(), truth) for plane, truth in large[:_PLANES]]

    def _seen(self, plane: Plane, truth: Plane | None, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Return noisy pixels, and clean pixels if known."""
        pixels = plane.pixels()
        if self.fresh:
            return pixels + self.fresh * torch.randn(pixels.shape, generator=generator), pixels
        if truth is None:
            return pixels, None
        return pixels, replace(truth, stabilizer=plane.stabilizer, contrast=plane.contrast).pixels()


def _decibels(error: float | None) -> float | None:
    """Return the PSNR of a mean squared error, with white at 1; ``None`` if it is unknown or not positive."""
    return -10 * math.log10(error) if error is not None and error > 0 else None
