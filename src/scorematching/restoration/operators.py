"""Linear operators ``A`` of the observation ``y = A x + noise``, each with its exact adjoint."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class LinearOperator(Protocol):
    """A linear map of planes, (N, 1, H, W) to (N, 1, H', W')."""

    def __call__(self, x: Tensor) -> Tensor:
        """``A x``."""

    def adjoint(self, y: Tensor) -> Tensor:
        """``A^T y``."""


class Identity:
    """``A x = x``: an observation with nothing but noise."""

    def __call__(self, x: Tensor) -> Tensor:
        """``x``."""
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """``y``."""
        return y


class BicubicDownsampling:
    """Blur by the bicubic kernel (a = -1/2), widened by the factor, and decimation: the standard of super-resolution.

    By PyTorch's antialiased interpolation, and its transpose.

    Args:
        factor: How many times smaller, 2 or more.
        size: Height and width of the large picture, multiples of the factor.

    Raises:
        ValueError: The factor is below 2, or does not divide the size.

    Example:
        >>> BicubicDownsampling(2, (8, 6))(torch.ones(1, 1, 8, 6)).shape
        torch.Size([1, 1, 4, 3])
    """

    def __init__(self, factor: int, size: tuple[int, int]) -> None:
        if factor < 2 or any(n % factor for n in size):
            raise ValueError(f"factor must be 2 or more and divide the size {size}, got {factor}")
        self.factor, self.size = factor, size

    def __call__(self, x: Tensor) -> Tensor:
        """The small picture."""
        small = [n // self.factor for n in self.size]
        return F.interpolate(x, small, mode="bicubic", antialias=True, align_corners=False)

    def adjoint(self, y: Tensor) -> Tensor:
        """The transpose, by the derivative of the map, which is linear."""
        with torch.enable_grad():
            x = y.new_zeros(*y.shape[:2], *self.size, requires_grad=True)
            (found,) = torch.autograd.grad(self(x), x, y)
        return found
