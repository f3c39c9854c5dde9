"""Products of Student-t experts."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from scorematching.graph import Sequential
from scorematching.layers import Linear, StudentT, WeightedSum
from scorematching.runtime.kinds import check_arguments


class ProductOfStudentT(Sequential):
    """Product of Student-t experts: ``E(x) = sum_k w_k log(1 + (W x)_k^2 / 2)``.

    Reference: Welling, Hinton & Osindero 2002. The filters, the rows of ``W``, start as random vectors of unit norm.
    The weights ``w_k`` start at 1.

    Args:
        dim: Number of entries of ``x``, 1 or more.
        experts: Number of experts, 1 or more. With more experts than ``dim`` the model is overcomplete.
        seed: Seed of the random initial filters.

    Raises:
        ValueError: A size is not positive.

    Example:
        >>> ProductOfStudentT(dim=63, experts=128)(torch.zeros(2, 63)).shape
        torch.Size([2])
    """

    def __init__(self, dim: int, experts: int, seed: int = 0) -> None:
        check_arguments(ProductOfStudentT.__init__, locals())
        if dim < 1 or experts < 1:
            raise ValueError(f"dim and experts must be 1 or more, got {dim} and {experts}")
        filters = Linear(dim, experts, bias=False)
        super().__init__(filters, StudentT(), WeightedSum(experts))
        start = torch.randn(experts, dim, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            filters.weight.copy_(start / start.norm(dim=1, keepdim=True))

    @property
    def filters(self) -> Tensor:
        """Filters ``W``, shape (experts, dim)."""
        return cast(Linear, self.layers[0]).weight

    @property
    def weights(self) -> Tensor:
        """Weights ``w`` of the experts, shape (experts,)."""
        return cast(WeightedSum, self.layers[2]).weight

    def experts(self, u: Tensor) -> Tensor:
        """Return the energy of each expert at the responses ``u``, shape (N, experts)."""
        return self.weights * self.layers[1](u)
