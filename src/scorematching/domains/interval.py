"""Intervals: positive numbers, and numbers between two bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scorematching.curvature.objective import Weights
from scorematching.domains.base import Domain
from scorematching.runtime.arguments import check_positive, is_finite, shown
from scorematching.runtime.kinds import check_arguments

#: Function of distances from a boundary.
Shape = Callable[[Tensor], Tensor]
#: Distance at which ``h`` is capped in a loss, if it is left open.
CAP = 1.0


@dataclass(frozen=True)
class Interval(Domain):
    """Each input lies between two bounds: ``h = min((x - low) / cap, 1)^power``, times the same for ``high - x``.

    ``power=1`` fails for densities that grow at the bound, or fall steeply there, such as those of Gamma variables of
    shape up to 1.

    Args:
        low: Lower bound; ``-inf`` for none.
        high: Upper bound; ``inf`` for none.
        cap: Distance from a bound beyond which ``h`` does not grow, in the unit of the data. About their scale is best.
            If it is left open, it is the median distance of the data in :func:`scorematching.fit_closed_form`, and 1 in
            a loss.
        power: Power of the distance, 1 or more.
        shape: Function that takes the place of ``cap`` and ``power``: ``h`` for distances from a bound, of any shape,
            entry by entry. It must be 0 at 0.

    Raises:
        ValueError: A bound is NaN, the lower is not below the upper, both are infinite, or another value is out of its
            range.

    Example:
        >>> Interval(0, 1, cap=0.5).weights(torch.tensor([[0.0], [0.25], [0.9]])).h.flatten()
        tensor([0.0000, 0.2500, 0.0400])
        >>> Interval(0, shape=lambda d: torch.log1p(d).clamp(max=2)).weights(torch.tensor([[1.0]]))
        Weights(h=tensor([[0.6931]]), slope=tensor([[0.5000]]))
    """

    low: float = -math.inf
    high: float = math.inf
    cap: float | None = None
    power: float = 2
    shape: Shape | None = None

    def __post_init__(self) -> None:
        check_arguments(Interval, vars(self))
        low, high = float(self.low), float(self.high)
        if not low < high or math.inf == high == -low:
            raise ValueError(f"an interval needs a bound, and low below high, got {low} and {high}")
        check_shape(self.cap, self.power, self.shape)

    def weights(self, x: Tensor) -> Weights:
        """Return the weights at data, shape (N, ...)."""
        h, slope = torch.ones_like(x), torch.zeros_like(x)
        for bound, sign in ((self.low, 1), (self.high, -1)):
            if math.isfinite(bound):
                factor, grows = capped(sign * (x - bound), self.cap, self.power, self.shape)
                h, slope = h * factor, slope * factor + h * sign * grows
        return Weights(h, slope)

    @property
    def scale_free(self) -> bool:
        """Whether positive factors leave the domain as it is: for positive numbers, with an open cap."""
        return (self.low, self.high) == (0, math.inf) and self.cap is None and self.shape is None

    def outside(self, x: Tensor) -> Tensor:
        """Return True for each sample with an input outside of the bounds."""
        return ((x < self.low) | (x > self.high)).flatten(1).any(1)

    def reflected(self, x: Tensor) -> Tensor:
        """Return data with inputs outside of a bound reflected at it.

        Example:
            >>> Interval(0).reflected(torch.tensor([[-0.2, 0.3]]))
            tensor([[0.2000, 0.3000]])
        """
        x = torch.where(x < self.low, 2 * self.low - x, x)
        return torch.where(x > self.high, 2 * self.high - x, x)

    def fitted(self, x: Tensor) -> Interval:
        """Return the interval with the median distance of the data from the nearer bound as ``cap``."""
        if self.cap is not None or self.shape is not None:
            return self
        distance = torch.minimum(x - self.low, self.high - x).median()
        return replace(self, cap=float(distance)) if distance > 0 else self


def check_shape(cap: float | None, power: float, shape: Shape | None) -> None:
    """Raise ``ValueError`` unless the cap is open or above 0, the power is 1 or more, and the shape is 0 at 0."""
    if shape is not None and (cap is not None or power != 2 or bool(shape(torch.zeros(1)) != 0)):
        raise ValueError("shape must be a function that is 0 at 0, without cap and power")
    if cap is not None:
        check_positive("cap", cap)
    if not (is_finite(power) and power >= 1):
        raise ValueError(f"power must be 1 or more, got {shown(power)}")


def capped(distance: Tensor, cap: float | None, power: float, shape: Shape | None = None) -> Weights:
    """Return ``min(distance / cap, 1)^power``, or ``shape(distance)``, and the derivative.

    Args:
        distance: Distance from a bound.
        cap: Distance from which it is 1; ``None`` for :data:`CAP`.
        power: Power.
        shape: As in :class:`Interval`.

    Example:
        >>> capped(torch.tensor([0.5, 3.0]), cap=2.0, power=2)
        Weights(h=tensor([0.0625, 1.0000]), slope=tensor([0.2500, 0.0000]))
    """
    if shape is not None:
        return Weights(shape(distance), torch.func.grad(lambda d: shape(d).sum())(distance))
    cap = CAP if cap is None else cap
    part = (distance / cap).clamp(0, 1)  # rounding may leave a distance below 0
    return Weights(part**power, (distance < cap) * power * part ** (power - 1) / cap)
