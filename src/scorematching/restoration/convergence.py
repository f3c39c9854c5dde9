"""How far an iterative restoration has come: does it explain the image, and does it still change?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from scorematching.restoration.operators import LinearOperator


@dataclass(frozen=True)
class Convergence:
    """The state of a restoration after a step.

    Attributes:
        step: Steps done.
        steps: Their number, or the largest that it may be.
        misfit: What of the image is not explained, as a multiple of what noise leaves: 1 or less in the end.
        change: Of the result by the last step, root mean square, white being 1: falls as it settles.
    """

    step: int
    steps: int
    misfit: float
    change: float

    def __str__(self) -> str:
        return f"misfit {self.misfit:.2f}, change {255 * self.change:.2f}/255"


#: Is told of each step.
Monitor = Callable[[Convergence], None]


class Watch:
    """Measures the planes of one restoration, and tells a monitor.

    Args:
        observed: ``y``, planes (C, 1, H', W'), white at 1.
        operator: ``A``.
        sigma: Standard deviation of the noise in ``y``, white being 1.
        monitor: Who is told; nothing is measured where there is nobody.
    """

    def __init__(self, observed: Tensor, operator: LinearOperator, sigma: float, monitor: Monitor | None) -> None:
        self.observed, self.operator, self.monitor = observed, operator, monitor
        self.sigma = sigma

    @cached_property
    def _noise(self) -> float:
        """What the adjoint sees of noise."""
        noise = torch.randn(self.observed.shape, generator=torch.Generator().manual_seed(0)).to(self.observed)
        return self.sigma * float(self.operator.adjoint(noise).norm())

    def misfit(self, x: Tensor) -> float:
        """By what the adjoint sees of the rest, ``|A^T (y - A x)|``, against what it sees of noise.

        What is no image may explain anything: ``x`` counts within the range of white, and of what was observed.
        """
        y = self.observed
        x = x.clamp(min(0.0, float(y.min())), max(1.0, float(y.max())))
        return float(self.operator.adjoint(y - self.operator(x)).norm()) / self._noise

    def tell(self, step: int, steps: int, before: Tensor, x: Tensor) -> None:
        """Of a step that has led from one result to the next."""
        if self.monitor is not None:
            change = float((x - before).square().mean().sqrt())
            self.monitor(Convergence(step, steps, self.misfit(x), change))
