"""The result of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from scorematching.priors.base import Prior


@dataclass
class FitResult:
    """A fitted prior, and how the training went.

    Attributes:
        prior: The prior in the state with the best held-out loss.
        history: Triples (step, loss, held-out loss); losses are per pixel, for images in multiples of ``prior.unit``.
        best: The best held-out loss.
        expected_psnr: PSNR in dB of one denoising step on held-out noisy images, before clipping: Stein's estimate,
            which needs no clean image. It is unbiased for Gaussian noise, and too high where the noise was clipped to
            the range of the file. For Poisson-Gaussian noise it is that of the stabilized images. ``None`` for a prior
            of clean images, and where no noise is left.
        psnr: The true PSNR in dB, if clean images were given to compare with; otherwise ``None``.
        found: The lowest and the highest noise level of the images, with white at 1; ``None`` for clean images.
    """

    prior: Prior
    history: list[tuple[int, float, float]] = field(default_factory=list)
    best: float = math.inf
    expected_psnr: float | None = None
    psnr: float | None = None
    found: tuple[float, float] | None = None
