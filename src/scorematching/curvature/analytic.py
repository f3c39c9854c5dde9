"""Energies that know their derivatives by a formula, and the curvature method that uses it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from scorematching.curvature.base import Curvature, Derivatives


class AnalyticEnergy(nn.Module, ABC):
    """Energy with a formula for its derivatives. ``curvature="auto"`` uses the formula.

    A subclass implements ``forward`` and :meth:`derivatives`. ``curvature="coloring"`` computes the same by automatic
    differentiation: compare the two to test a formula.

    Example:
        >>> import torch, scorematching as sm
        >>> class Quartic(AnalyticEnergy):
        ...     def forward(self, x):
        ...         return 0.25 * x.pow(4).sum(1)
        ...     def derivatives(self, x):
        ...         return Derivatives(x**3, 3 * x**2)
        >>> sm.hessian_diagonal(Quartic(), torch.tensor([[2.0]]))
        tensor([[12.]])
    """

    @abstractmethod
    def derivatives(self, x: Tensor) -> Derivatives:
        """Return the gradient and the diagonal of the Hessian with respect to data, shape (N, ...).

        Both must be made of differentiable operations.
        """


@dataclass(frozen=True)
class Analytic(Curvature):
    """The formula of an :class:`AnalyticEnergy`.

    Example:
        >>> import torch, scorematching as sm
        >>> gaussian = sm.energies.Gaussian(2)
        >>> Analytic().derivatives(gaussian, torch.ones(1, 2)).d
        tensor([[1., 1.]], grad_fn=<SubBackward0>)
    """

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives`.

        Raises:
            TypeError: The energy is not an :class:`AnalyticEnergy`.
        """
        if not isinstance(energy, AnalyticEnergy):
            raise TypeError(f"{type(energy).__name__} has no formula for its derivatives: use curvature='auto'")
        return energy.derivatives(x)
