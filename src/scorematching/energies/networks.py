"""Energies of vectors with filters or networks: independent components, and multilayer perceptrons."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from scorematching.graph import Graph, Sequential
from scorematching.layers import Layer, Linear, LogCosh, Scale, SiLU, Square, Sum
from scorematching.runtime.arguments import check_count
from scorematching.runtime.kinds import check_arguments


class ICA(Sequential):
    """Independent component analysis: ``E(x) = 2 sum_k log cosh((W x)_k)``, with a square matrix ``W``.

    Reference: Hyvärinen 2005. The components have a logistic density. ``W`` starts as a random rotation.

    Args:
        dim: Number of variables, and of components, D.
        seed: Seed of the rotation.

    Example:
        >>> ICA(4)(torch.zeros(3, 4)).shape
        torch.Size([3])
    """

    def __init__(self, dim: int, seed: int = 0) -> None:
        check_count("dim", dim)
        check_arguments(ICA.__init__, locals())
        filters = Linear(dim, dim, bias=False)
        super().__init__(filters, LogCosh(), Sum(2))
        start = torch.randn(dim, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        with torch.no_grad():
            filters.weight.copy_(torch.linalg.qr(start).Q)


class MLP(Graph):
    """Multilayer perceptron beside a quadratic form: ``E(x) = f(x) + sum_i s_i x_i^2 / 2``.

    The quadratic form, with learned ``s`` that start at 1, keeps the density proper where there are no data. ``f`` has
    smooth activations (SiLU), and starts at 0: the model starts as a standard normal distribution. Standardize the
    data.

    Args:
        dim: Number of variables D.
        hidden: Widths of the hidden layers.
        seed: Seed of the initial weights.

    Raises:
        ValueError: A width is not a positive integer.

    Example:
        >>> MLP(4, hidden=(16, 16))(torch.zeros(3, 4)).shape
        torch.Size([3])
    """

    def __init__(self, dim: int, hidden: Sequence[int] = (64, 64), seed: int = 0) -> None:
        check_arguments(MLP.__init__, locals())
        for name, width in (("dim", dim), *(("hidden", width) for width in hidden)):
            check_count(name, width)
        edges: list[tuple[str, Layer, str]] = [("x", Square(), "squares"), ("squares", Scale(dim), "scaled")]
        edges.append(("scaled", Sum(0.5), "energy"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            node = "x"
            for number, (inputs, outputs) in enumerate(itertools.pairwise((dim, *hidden))):
                edges.append((node, Linear(inputs, outputs), f"u{number}"))
                edges.append((f"u{number}", SiLU(), node := f"h{number}"))
            last = Linear(hidden[-1] if hidden else dim, 1, bias=False)
        with torch.no_grad():
            last.weight.zero_()
        super().__init__([*edges, (node, last, "f"), ("f", Sum(), "energy")])
