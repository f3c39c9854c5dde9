"""NICE: additive couplings as an energy."""

from __future__ import annotations

import itertools

from scorematching.graph import Graph
from scorematching.layers import Gather, Layer, Linear, LogCosh, Scale, Scatter, Softplus, Sum


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
