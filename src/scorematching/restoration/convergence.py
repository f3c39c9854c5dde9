"""Convergence of an iterative restoration: its misfit to the observation, and its change in the last step."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from scorematching.restoration.operators import LinearOperator
from scorematching.runtime.progress import Progress, ProgressCallback


class Watch:
    """Measurement and report of the state of a restoration.

    Two figures are reported. ``misfit`` is the part of the observation that the result does not explain, relative to
    the part that noise would leave. It should be 1 or less in the end. ``change`` is the root mean square change of the
    image in the last step, with white at 1. It falls as the result converges.

    Args:
        observed: ``y``, planes (C, 1, H', W'), with white at 1.
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
        """Norm of ``A^T n`` for noise ``n`` of level ``sigma``."""
        noise = torch.randn(self.observed.shape, generator=torch.Generator().manual_seed(0)).to(self.observed)
        return self.sigma * float(self.operator.adjoint(noise).norm())

    def misfit(self, x: Tensor) -> float:
        """Return the norm of ``A^T (y - A x)``, divided by the norm of ``A^T n`` for noise ``n``.

        Before this, ``x`` is clipped to the range from 0 to 1, extended to the range of the observation.
        """
        y = self.observed
        x = x.clamp(min(0.0, float(y.min())), max(1.0, float(y.max())))
        return float(self.operator.adjoint(y - self.operator(x)).norm()) / self._noise

    def report(self, step: int, steps: int, before: Tensor, x: Tensor) -> None:
        """Report a step that led from one result to the next."""
        if self.progress is not None:
            change = float((x - before).square().mean().sqrt())
            self.progress(Progress(step, steps, {"misfit": self.misfit(x), "change": change}))
