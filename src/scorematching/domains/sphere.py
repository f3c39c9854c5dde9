"""The unit sphere: directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from scorematching.curvature import Curvature
from scorematching.curvature.base import Derivatives
from scorematching.curvature.hessian_products import Products
from scorematching.domains.base import Domain

#: Largest deviation of the norm of a sample from 1.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Sphere(Domain):
    """Each sample, shape (D,), has the norm 1.

    The energy is a function on all of space, of which the values on the sphere count. The derivatives of the loss are
    those along the sphere (Mardia, Kent & Laha 2016), with ``P = I - x x^T``::

        J = 1/2 |P delta|^2 - ( tr H - x^T H x - (D - 1) x·delta )

    Example:
        >>> import torch
        >>> Sphere().outside(torch.tensor([[0.6, 0.8], [1.0, 1.0]]))
        tensor([False,  True])
    """

    joint: ClassVar[bool] = True

    def weights(self, x: Tensor) -> None:
        """Return no weights: a sphere has no boundary."""
        return

    def outside(self, x: Tensor) -> Tensor:
        """Return True for each sample with another norm."""
        return (x.flatten(1).norm(dim=1) - 1).abs() > _ROUNDING

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
