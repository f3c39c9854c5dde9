"""Convergence of an iterative restoration: does it explain the image, and does it still change?"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from scorematching.restoration.operators import LinearOperator
from scorematching.runtime.progress import Progress, ProgressCallback


class Watch:
    """Measures the state of a restoration, and reports it.

    Two figures are reported. ``misfit`` is the part of the image that is not explained, as a multiple of what noise
    leaves: 1 or less in the end. ``change`` is the root mean square change by the last step, with white at 1: it falls
    as the result settles.

    Args:
        observed: ``y``, planes (C, 1, H', W'), white at 1.
        operator: ``A``.
        sigma: Standard deviation of the noise in ``y``, with white at 1.
        progress: Callback; nothing is measured if it is ``None``.
    """

    def __init__(
        self, observed: Tensor, operator: LinearOperator, sigma: float, progress: ProgressCallback | None
    ) -> None:
        self.observed, self.operator, self.progress = observed, operator, progress
        self.sigma = sigma

    @cached_property
    def _noise(self) -> float:
        """Norm of the adjoint of noise."""
        noise = torch.randn(self.observed.shape, generator=torch.Generator().manual_seed(0)).to(self.observed)
        return self.sigma * float(self.operator.adjoint(noise).norm())

    def misfit(self, x: Tensor) -> float:
        """Return the norm of ``A^T (y - A x)`` as a multiple of that of noise.

        ``x`` is clipped to the valid range, and to that of the observation, before the misfit is measured.
        """
        y = self.observed
        x = x.clamp(min(0.0, float(y.min())), max(1.0, float(y.max())))
        return float(self.operator.adjoint(y - self.operator(x)).norm()) / self._noise

    def report(self, step: int, steps: int, before: Tensor, x: Tensor) -> None:
        """Report a step that led from one result to the next."""
        if self.progress is not None:
            change = float((x - before).square().mean().sqrt())
            self.progress(Progress(step, steps, {"misfit": self.misfit(x), "change": change}))
