"""The unit sphere: directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor, nn

from scorematching.curvature import Curvature
from scorematching.curvature.base import Derivatives
from scorematching.curvature.hessian_products import Products
from scorematching.curvature.objective import Weights
from scorematching.domains.base import Domain
from scorematching.domains.distance import Distance
from scorematching.domains.interval import check_shape
from scorematching.runtime.kinds import check_arguments

#: Largest deviation of the norm of a sample from 1.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Sphere(Domain):
    """Each sample, shape (D,), has the norm 1.

    The energy is a function on all of space, of which the values on the sphere count. The derivatives of the loss are
    those along the sphere (Mardia, Kent & Laha 2016), with ``P = I - x x^T``::

        J = 1/2 |P delta|^2 - ( tr H - x^T H x - (D - 1) x·delta )

    For a part of the sphere, pass a function that gives the distance from its boundary. The terms then have the weight
    ``h = min(distance / cap, 1)^power``, and ``-P grad h · delta`` is added. Square roots of proportions, for example,
    lie in the positive part (Scealy & Wood 2023).

    Args:
        boundary: Function of data, shape (N, D), that returns distances from the boundary, shape (N,), 0 or more
            inside; ``None`` for the whole sphere.
        cap: As in :class:`Interval`.
        power: As in :class:`Interval`.

    Example:
        >>> import torch
        >>> Sphere().outside(torch.tensor([[0.6, 0.8], [1.0, 1.0]]))
        tensor([False,  True])
        >>> positive = Sphere(lambda x: x.amin(1), cap=0.1)
        >>> positive.weights(torch.tensor([[0.05, 0.9987]])).h
        tensor([[0.2500, 0.2500]])
    """

    joint: ClassVar[bool] = True

    boundary: Callable[[Tensor], Tensor] | None = None
    cap: float | None = None
    power: float = 2

    def __post_init__(self) -> None:
        check_arguments(Sphere, vars(self))
        check_shape(self.cap, self.power, None)

    def weights(self, x: Tensor) -> Weights | None:
        """Return the weights at data, shape (N, D); ``None`` for the whole sphere, which has no boundary."""
        return None if self.boundary is None else self._part.weights(x)

    def outside(self, x: Tensor) -> Tensor:
        """Return True for each sample with another norm, or outside of the boundary."""
        away = (x.flatten(1).norm(dim=1) - 1).abs() > _ROUNDING
        return away if self.boundary is None else away | self._part.outside(x)

    def fitted(self, x: Tensor) -> Sphere:
        """Return the domain with the median distance of the data as ``cap``."""
        return self if self.boundary is None else replace(self, cap=self._part.fitted(x).cap)

    @property
    def _part(self) -> Distance:
        assert self.boundary is not None
        return Distance(self.boundary, self.cap, self.power)

    def along(self, method: Curvature) -> Curvature:
        """Return the method for derivatives along the sphere."""
        return AlongSphere(method)


@dataclass(frozen=True, eq=False)
class AlongSphere(Curvature):
    """Derivatives along the unit sphere: ``P delta``, and terms whose sum is the Laplacian along it.

    Args:
        method: Method for the diagonal of the Hessian in space.

    Raises:
        ValueError: When the loss is computed: ``lam`` is above 0.
    """

    method: Curvature

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives`."""
        if squared:
            raise ValueError("on a sphere the curvature has no coordinates for the regularizer: leave lam at 0")
        d, d2, _ = self.method.derivatives(energy, x)
        radial = (x * d).flatten(1).sum(1).view(-1, *(1 for _ in x.shape[1:]))
        products = Products(energy, x)
        curved = products.hessian_times(x)
        if products.x is x:  # the product is the derivative of x·d, which also changes with the factor x
            curved = curved - products.d
        return Derivatives(d - radial * x, d2 - x * curved - (x[0].numel() - 1) * x * d)
