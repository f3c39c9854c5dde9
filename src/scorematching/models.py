"""Ready-made energies of vectors: products of Student-t experts, NICE; bases and whitening of patches."""

from __future__ import annotations

import itertools
import math
from typing import cast

import torch
from torch import Tensor, nn

from scorematching.graph import Graph, Sequential
from scorematching.layers import (
    Embed,
    Layer,
    Linear,
    LogCosh,
    Scale,
    Select,
    Softplus,
    StudentT,
    Sum,
    WeightedSum,
)


class PoT(Sequential):
    """Product of Student-t experts: ``E(x) = sum_k w_k log(1 + (W x)_k^2 / 2)``. Welling, Hinton & Osindero 2002.

    Args:
        dim: Entries of ``x``.
        experts: How many, at least one; more than ``dim`` make an overcomplete model.
        seed: Of the random start: filters of unit norm.

    Raises:
        ValueError: A size is not positive.

    Example:
        >>> PoT(dim=63, experts=128)(torch.zeros(2, 63)).shape
        torch.Size([2])
    """

    def __init__(self, dim: int, experts: int, seed: int = 0) -> None:
        if dim < 1 or experts < 1:
            raise ValueError(f"dim and experts must be 1 or more, got {dim} and {experts}")
        filters = Linear(dim, experts, bias=False)
        super().__init__(filters, StudentT(), WeightedSum(experts))
        start = torch.randn(experts, dim, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            filters.weight.copy_(start / start.norm(dim=1, keepdim=True))

    @property
    def filters(self) -> Tensor:
        """``W``, shape (experts, dim)."""
        return cast(Linear, self.layers[0]).weight

    @property
    def weights(self) -> Tensor:
        """``w``, shape (experts,)."""
        return cast(WeightedSum, self.layers[2]).weight

    def experts(self, u: Tensor) -> Tensor:
        """Energy of each expert at responses ``u``, shape (N, experts)."""
        return self.weights * self.layers[1](u)


class NICE(Graph):
    """Non-linear independent components: a flow of additive couplings as an energy. Dinh, Krueger & Bengio 2015.

    Each coupling splits the entries in two halves, even and odd, and adds to one of them a network of the other::

        y_a = x_a        y_b = x_b + m(x_a)

    the halves changing places from one to the next. The map keeps volumes, so that with a logistic prior for the
    scaled result ``z = s∘y`` the energy is ``sum_i 2 log cosh(z_i / 2)``, up to ``sum_i log s_i``, which score
    matching does not see. As a graph: halves are selections, their union is a sum of embeddings.

    Args:
        dim: Entries of ``x``, two or more.
        hidden: Width of the hidden layers of ``m``.
        couplings: How many.
        depth: Hidden layers of ``m``.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> NICE(dim=6, hidden=16)(torch.zeros(2, 6)).shape
        torch.Size([2])
    """

    def __init__(self, dim: int, hidden: int, couplings: int = 4, depth: int = 1) -> None:
        if dim < 2 or min(hidden, couplings, depth) < 1:
            raise ValueError(
                f"dim must be 2 or more, the other sizes 1 or more; got {dim}, {hidden}, {couplings}, {depth}"
            )
        halves = [list(range(0, dim, 2)), list(range(1, dim, 2))]
        edges: list[tuple[str, Layer, str]] = []
        for i in range(couplings):
            before, after = ("x" if i == 0 else f"y{i}"), f"y{i + 1}"
            kept, moved = halves[i % 2], halves[1 - i % 2]
            widths = [len(kept), *[hidden] * depth, len(moved)]
            edges += [(before, Select(kept), f"a{i}"), (before, Select(moved), f"b{i}")]
            node = f"a{i}"
            for j, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
                target = f"b{i}" if j == depth else f"m{i}.{j}"
                edges.append((node, Linear(inputs, outputs), target))
                if j < depth:
                    node = f"h{i}.{j}"
                    edges.append((target, Softplus(), node))
            edges += [(f"a{i}", Embed(kept, dim), after), (f"b{i}", Embed(moved, dim), after)]
        edges += [(f"y{couplings}", Scale(dim), "z"), ("z", LogCosh(2.0), "e"), ("e", Sum(2.0), "energy")]
        super().__init__(edges)


def dct_filters(size: int) -> Tensor:
    """The two-dimensional DCT-II basis: shape (size^2, size, size), orthonormal, lowest frequencies first.

    Example:
        >>> basis = dct_filters(4).flatten(1)
        >>> torch.allclose(basis @ basis.T, torch.eye(16), atol=1e-6)
        True
    """
    k = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi / size * k[:, None] * (k + 0.5)) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    basis = torch.einsum("ay,bx->abyx", rows, rows).flatten(0, 1)
    frequency = (k[:, None] + k).flatten()
    return basis[torch.argsort(frequency, stable=True)].float()


class Whitening(nn.Module):
    """Mean removal and ZCA whitening of square patches: a linear map, kept with the model that is fitted behind it.

    Without its mean a patch of n^2 pixels has n^2 - 1 dimensions; in an orthonormal basis of those (the DCT without
    its constant) the map is the inverse square root of the covariance, so that no direction is degenerate.

    Args:
        size: n, the side of a patch.

    Attributes:
        matrix: The map from a patch, (n^2,), to the whitened one, (n^2 - 1,). It starts as mean removal alone.

    Example:
        >>> whitening = Whitening(3)
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
