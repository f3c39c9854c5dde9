"""Domains with any boundary, by the distance from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from scorematching.curvature.objective import Weights
from scorematching.domains.base import Domain
from scorematching.domains.interval import Shape, capped, check_shape
from scorematching.runtime.kinds import check_arguments


@dataclass(frozen=True, eq=False)
class Distance(Domain):
    """Domain given by a function that is positive inside and 0 on the boundary: ``h = min(distance / cap, 1)^power``.

    All inputs have the same weight (Liu, Kanamori & Williams 2022). The function should grow like the distance from the
    boundary, up to a factor.

    Args:
        function: Function of data, shape (N, ...), that returns distances, shape (N,), differentiable by autograd.
        cap: As in :class:`Interval`.
        power: As in :class:`Interval`. Here 1 is enough for densities that are bounded at the boundary.
        shape: As in :class:`Interval`.

    Raises:
        ValueError: A value is out of its range.

    Example:
        >>> disk = Distance(lambda x: 1 - x.norm(dim=1))
        >>> disk.weights(torch.tensor([[0.6, 0.0]])).h
        tensor([[0.1600, 0.1600]])
    """

    function: Callable[[Tensor], Tensor]
    cap: float | None = None
    power: float = 2
    shape: Shape | None = None

    def __post_init__(self) -> None:
        check_arguments(Distance, vars(self))
        check_shape(self.cap, self.power, self.shape)

    def weights(self, x: Tensor) -> Weights:
        """Return the weights at data, shape (N, ...)."""

        def heights(x: Tensor) -> tuple[Tensor, Tensor]:
            h = capped(self._distance(x), self.cap, self.power, self.shape).h
            return h.sum(), h

        with torch.inference_mode(False):
            slope, h = torch.func.grad(heights, has_aux=True)(x.clone() if x.is_inference() else x)
        return Weights(h.reshape(-1, *(1 for _ in x.shape[1:])).expand_as(x), slope)

    def outside(self, x: Tensor) -> Tensor:
        """Return True for each sample with a negative distance."""
        return self._distance(x) < 0

    def fitted(self, x: Tensor) -> Self:
        """Return the domain with the median distance of the data as ``cap``."""
        if self.cap is not None or self.shape is not None:
            return self
        distance = self._distance(x).median()
        return replace(self, cap=float(distance)) if distance > 0 else self

    def _distance(self, x: Tensor) -> Tensor:
        found = self.function(x)
        if found.shape != x.shape[:1]:
            raise ValueError(f"the distance must have one value per sample, ({len(x)},), got {tuple(found.shape)}")
        return found


class Polyhedron(Distance):
    """Points with ``A x <= b``, shape (D,): the distance is that from the nearest face.

    Args:
        a: ``A``, shape (faces, D).
        b: ``b``, shape (faces,).
        cap: As in :class:`Interval`.
        power: As in :class:`Distance`.

    Raises:
        ValueError: A shape does not fit, or a row of ``A`` is 0.

    Example:
        >>> triangle = Polyhedron(torch.tensor([[-1.0, 0], [0, -1], [1, 1]]), torch.tensor([0.0, 0, 1]))
        >>> triangle.outside(torch.tensor([[0.2, 0.3], [0.7, 0.6]]))
        tensor([False,  True])
    """

    def __init__(self, a: Tensor, b: Tensor, cap: float | None = None, power: float = 2) -> None:
        check_arguments(Polyhedron.__init__, locals())
        a, b = a.double(), b.double()
        if not bool(torch.isfinite(a).all()) or bool(b.isnan().any()):
            raise ValueError("A must have finite values, and b no NaN")
        if a.ndim != 2 or b.shape != a.shape[:1] or not bool(a.any(1).all()):
            raise ValueError(
                f"a polyhedron needs A of shape (faces, D) without rows of 0, and b of shape (faces,), got "
                f"{tuple(a.shape)} and {tuple(b.shape)}"
            )
        length = a.norm(dim=1)

        def distance(x: Tensor) -> Tensor:
            if x.shape[1:] != a.shape[1:]:
                raise ValueError(f"the polyhedron is for samples of shape ({a.shape[1]},), got {tuple(x.shape[1:])}")
            return ((b.to(x) - x @ a.to(x).T) / length.to(x)).amin(1)

        super().__init__(distance, cap, power)
