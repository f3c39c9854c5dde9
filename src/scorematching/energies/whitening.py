"""Whitening of square patches."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from scorematching.energies.bases import dct_filters


class ZCAWhitening(nn.Module):
    """Mean removal and ZCA whitening of square patches: a linear map, kept with the model that is fitted behind it.

    Without its mean a patch of n^2 pixels has n^2 - 1 dimensions; in an orthonormal basis of those (the DCT without
    its constant) the map is the inverse square root of the covariance, so that no direction is degenerate.

    Args:
        size: n, the side of a patch.

    Attributes:
        matrix: The map from a patch, (n^2,), to the whitened one, (n^2 - 1,). It starts as mean removal alone.

    Example:
        >>> whitening = ZCAWhitening(3)
        >>> whitening.fit(torch.randn(1000, 9).cumsum(1))
        >>> whitening(torch.ones(1, 9)).abs().max() < 1e-4
        tensor(True)
    """

    matrix: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("matrix", dct_filters(size)[1:].flatten(1).contiguous())

    def fit(self, patches: Tensor, floor: float = 1e-6) -> None:
        """Set the map from a sample of patches, shape (N, n^2).

        Args:
            patches: More of them than pixels in a patch.
            floor: Smallest variance that is believed, as a share of the largest.

        Raises:
            ValueError: The shape does not fit, or the patches are too few.
        """
        pixels = self.matrix.shape[1]
        if patches.ndim != 2 or patches.shape[1] != pixels or len(patches) <= pixels:
            raise ValueError(f"expected more than {pixels} patches of {pixels} pixels, got {tuple(patches.shape)}")
        basis = dct_filters(math.isqrt(pixels))[1:].flatten(1).to(patches.device, torch.float64)
        free = patches.double() @ basis.T
        variance, axes = torch.linalg.eigh(free.T @ free / len(free))
        root = variance.clamp_min(floor * float(variance[-1])).rsqrt()
        self.matrix.copy_((axes * root) @ axes.T @ basis)

    def forward(self, patches: Tensor) -> Tensor:
        """Whitened patches: shape (N, n^2) to (N, n^2 - 1)."""
        return patches @ self.matrix.T

    def adjoint(self, gradient: Tensor) -> Tensor:
        """Gradient by the whitened patches to gradient by the patches: (N, n^2 - 1) to (N, n^2)."""
        return gradient @ self.matrix
