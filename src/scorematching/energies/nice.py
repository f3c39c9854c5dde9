"""NICE: a flow of additive couplings, as an energy."""

from __future__ import annotations

import itertools

from scorematching.graph import Graph
from scorematching.layers import Gather, Layer, Linear, LogCosh, Scale, Scatter, Softplus, Sum
from scorematching.runtime.kinds import check_arguments


class NICE(Graph):
    """Non-linear independent components estimation (NICE): a flow of additive couplings, as an energy.

    Reference: Dinh, Krueger & Bengio 2015. Each coupling splits the entries into two halves, even and odd, and adds a
    network ``m`` of one half to the other half::

        y_a = x_a        y_b = x_b + m(x_a)

    The halves swap their roles from one coupling to the next. The couplings preserve volume. With a logistic
    distribution of the scaled result ``z = s∘y``, the energy is ``sum_i 2 log cosh(z_i / 2) - sum_i log s_i``. The last
    term does not depend on ``x``, so score matching ignores it, and it is left out.

    In the graph, a half is a :class:`~scorematching.layers.Gather`, and the union of two halves is a sum of
    :class:`~scorematching.layers.Scatter`.

    Args:
        dim: Number of entries of ``x``, two or more.
        hidden: Width of the hidden layers of ``m``.
        couplings: Number of couplings.
        depth: Number of hidden layers of ``m``.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> import torch
        >>> NICE(dim=6, hidden=16)(torch.zeros(2, 6)).shape
        torch.Size([2])
    """

    def __init__(self, dim: int, hidden: int, couplings: int = 4, depth: int = 1) -> None:
        check_arguments(NICE.__init__, locals())
        if dim < 2 or min(hidden, couplings, depth) < 1:
            raise ValueError(
                "expected a dim of 2 or more, and hidden, couplings and depth of 1 or more, got "
                f"dim={dim}, hidden={hidden}, couplings={couplings}, depth={depth}"
            )
        halves = [list(range(0, dim, 2)), list(range(1, dim, 2))]
        edges: list[tuple[str, Layer, str]] = []
        for i in range(couplings):
            before, after = ("x" if i == 0 else f"y{i}"), f"y{i + 1}"
            kept, moved = halves[i % 2], halves[1 - i % 2]
            widths = [len(kept), *[hidden] * depth, len(moved)]
            edges += [(before, Gather(kept), f"a{i}"), (before, Gather(moved), f"b{i}")]
            node = f"a{i}"
            for j, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
                target = f"b{i}" if j == depth else f"m{i}.{j}"
                edges.append((node, Linear(inputs, outputs), target))
                if j < depth:
                    node = f"h{i}.{j}"
                    edges.append((target, Softplus(), node))
            edges += [(f"a{i}", Scatter(kept, dim), after), (f"b{i}", Scatter(moved, dim), after)]
        edges += [(f"y{couplings}", Scale(dim), "z"), ("z", LogCosh(2.0), "e"), ("e", Sum(2.0), "energy")]
        super().__init__(edges)
