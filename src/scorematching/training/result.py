"""Result of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from scorematching.priors.base import Prior


@dataclass
class FitResult:
    """A fitted prior, and the history of its training.

    Attributes:
        prior: Prior in the state with the best held-out loss.
        history: Triples (step, loss, held-out loss), from step 0, before training, on. The first loss is that of one
            batch, the others are running means. Losses are per pixel, for images in multiples of ``prior.unit``.
        best: Best held-out loss.
        best_step: Step of the best held-out loss; 0 if the training did not lower it.
        expected_psnr: Expected PSNR in dB of one denoising step on held-out noisy images, before clipping. It is
            Stein's estimate, which needs no clean image. It is unbiased for Gaussian noise, and too high if the noise
            was clipped to the range of the file. For Poisson-Gaussian noise it is the PSNR of the stabilized images.
            ``None`` for a prior of clean images, or if the estimated error is not positive.
        psnr: True PSNR in dB, if clean images were given; otherwise ``None``.
        found: Lowest and highest noise level of the images, with white at 1; ``None`` for clean images.
    """

    prior: Prior
    history: list[tuple[int, float, float]] = field(default_factory=list)
    best: float = math.inf
    best_step: int = 0
    expected_psnr: float | None = None
    psnr: float | None = None
    found: tuple[float, float] | None = None
