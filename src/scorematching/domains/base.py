"""Interface of domains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from scorematching.curvature.base import Curvature
from scorematching.curvature.objective import Weights


class Domain(ABC):
    """Set that the data lie in. A subclass says where its boundary is, by weights that vanish there."""

    #: Whether the inputs of a sample belong together, so that they can't have weights of their own.
    joint: ClassVar[bool] = False

    def coordinates(self, energy: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor, Domain]:
        """Return energy, data and domain in coordinates whose number is the dimension; by default those given."""
        return energy, x, self

    def along(self, method: Curvature) -> Curvature:
        """Return the method for the derivatives along the domain; by default that for those in space."""
        return method

    @abstractmethod
    def weights(self, x: Tensor) -> Weights | None:
        """Return the weights at data, shape (N, ...), differentiable once; ``None`` if there is no boundary."""

    @abstractmethod
    def outside(self, x: Tensor) -> Tensor:
        """Return True for each sample that is outside, shape (N,)."""

    def fitted(self, x: Tensor) -> Domain:
        """Return the domain with what was left open chosen for data, such as the distance at which ``h`` is capped."""
        return self

    def check_weight(self, weight: Tensor, x: Tensor) -> None:
        """Raise ``ValueError`` if inputs of ``x`` that belong together have weights of their own."""
        if self.joint and weight.shape != x.shape[:1]:
            raise ValueError(
                f"the inputs of a sample of the domain {self} belong together: pass one weight per sample, "
                f"({len(x)},), got {tuple(weight.shape)}"
            )

    def check(self, energy: nn.Module, x: Tensor) -> None:
        """Raise ``ValueError`` if a sample is outside, or the energy does not suit the domain.

        Args:
            energy: The model.
            x: Data, shape (N, ...).
        """
        bad = self.outside(x.detach())
        if bool(bad.any()):
            first = int(bad.nonzero()[0, 0])
            raise ValueError(
                f"{int(bad.sum())} of {len(x)} samples are outside of the domain {self}, the first is x[{first}]: pass "
                "another domain, or leave these samples out"
            )
