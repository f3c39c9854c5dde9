"""Whitening of square patches."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from scorematching.energies.bases import dct_filters
from scorematching.runtime.kinds import check_arguments


class ZCAWhitening(nn.Module):
    """Mean removal and ZCA whitening of square patches.

    A patch of n^2 pixels without its mean has n^2 - 1 dimensions. They are represented in the DCT basis without its
    constant, where the covariance is not degenerate. The map is the inverse square root of the covariance in that
    basis.

    Args:
        size: n, the side of a patch in pixels.

    Attributes:
        matrix: Matrix of the map, shape (n^2 - 1, n^2). Before :meth:`fit` it only removes the mean.

    Example:
        >>> whitening = ZCAWhitening(3)
        >>> whitening.fit(torch.randn(1000, 9).cumsum(1))
        >>> whitening(torch.ones(1, 9)).abs().max() < 1e-4
        tensor(True)
    """

    matrix: Tensor

    def __init__(self, size: int) -> None:
        check_arguments(ZCAWhitening.__init__, locals())
        super().__init__()
        self.register_buffer("matrix", dct_filters(size)[1:].flatten(1).contiguous())

    def fit(self, patches: Tensor, floor: float = 1e-6) -> None:
        """Set the map so that it whitens a sample of patches.

        Args:
            patches: Sample, shape (N, n^2), with N larger than n^2.
            floor: Lower bound on the variances, relative to the largest variance.

        Raises:
            ValueError: The shape does not fit, or there are too few patches.
        """
        check_arguments(ZCAWhitening.fit, locals())
        pixels = self.matrix.shape[1]
        if patches.ndim != 2 or patches.shape[1] != pixels or len(patches) <= pixels:
            raise ValueError(
                f"expected more than {pixels} patches of {pixels} pixels, got shape {tuple(patches.shape)}"
            )
        basis = dct_filters(math.isqrt(pixels))[1:].flatten(1).to(patches.device, torch.float64)
        free = patches.double() @ basis.T
        variance, axes = torch.linalg.eigh(free.T @ free / len(free))
        root = variance.clamp_min(floor * float(variance[-1])).rsqrt()
        self.matrix.copy_((axes * root) @ axes.T @ basis)

    def forward(self, patches: Tensor) -> Tensor:
        """Whiten patches: shape (N, n^2) to (N, n^2 - 1)."""
        return patches @ self.matrix.T

    def adjoint(self, gradient: Tensor) -> Tensor:
        """Map a gradient at whitened patches, shape (N, n^2 - 1), to the gradient at the patches, shape (N, n^2)."""
        return gradient @ self.matrix
