"""What each method costs on a graph: multiplications, numbers touched, calls, and memory; and how long that takes.

The counts follow from the structure. The seconds are a linear model of them, whose coefficients were fitted to
measured steps by ``python -m benchmarks calibration``: they rank the methods on an ordinary CPU, no more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from scorematching.curvature.analysis.structure import coupling_distance, node_shapes
from scorematching.graph import Graph

#: Seconds a multiplication, a number touched, and a call, by method: `python -m benchmarks calibration`.
SECONDS: dict[str, tuple[float, float, float]] = {
    "diagonal": (7.3e-12, 8.3e-10, 1.2e-05),
    "full": (2e-11, 4.8e-10, 1.7e-05),
    "jacobian": (6.3e-12, 1.8e-10, 1e-05),
    "coloring": (0.0, 5.8e-10, 2.8e-06),
}


class Cost(NamedTuple):
    """The cost of one loss with its gradient.

    Attributes:
        method: Its name.
        multiplications: Those of the affine layers.
        touched: Numbers that the point-wise work reads or writes.
        calls: Operations on tensors.
        memory: Bytes, for the whole batch at once; a method with a budget takes it in chunks.
    """

    method: str
    multiplications: int
    touched: int
    calls: int
    memory: int

    @property
    def seconds(self) -> float:
        """What the calibrated model makes of it."""
        counts = (self.multiplications, self.touched, self.calls)
        return sum(count * rate for count, rate in zip(counts, SECONDS[self.method], strict=True))


def method_costs(graph: Graph, x: Tensor, batch: int) -> list[Cost]:
    """The cost of each method that could be exact, for ``batch`` samples of the shape of those of ``x``."""
    shapes = node_shapes(graph, x)
    size = {node: shape.numel() for node, shape in shapes.items()}
    edges = [(edge, layer.multiplications(shapes[edge.source], shapes[edge.target])) for edge, layer in graph.pairs()]
    products, touched, calls = sum(p for _, p in edges), sum(size.values()), len(edges)
    inputs, word = size[graph.input], x.element_size()
    blocks = hessian_blocks(graph)
    columns = {node: sum(size[u] for u, v in blocks if v == node) for node in graph.nodes}
    classes = shapes[graph.input][0] * math.prod(coupling_distance(graph, shapes[graph.input], graph.input))
    ahead = graph.influential
    forward = sum(p for edge, p in edges if edge.target in ahead)
    widths = sum(size[node] for node in ahead)
    held = word * 4 * touched
    return [
        Cost("diagonal", batch * 8 * products, batch * 10 * touched, 10 * calls, batch * 2 * held),
        Cost(
            "full",
            batch * (8 * products + 3 * sum(columns[edge.target] * p for edge, p in edges)),
            batch * (10 * touched + 6 * sum(size[u] * size[v] for u, v in blocks)),
            (10 * calls + 6 * len(blocks)),
            batch * (held + full_bytes(graph, x)),
        ),
        Cost(
            "jacobian",
            batch * (8 * products + 3 * inputs * (forward + widths)),
            batch * (10 * touched + 6 * inputs * widths),
            16 * calls,
            batch * (held + jacobian_bytes(graph, x)),
        ),
        Cost(
            "coloring",
            batch * 12 * classes * products,
            batch * 20 * classes * touched,
            30 * classes * calls,
            batch * classes * 3 * held,
        ),
    ]


def full_bytes(graph: Graph, x: Tensor) -> int:
    """Bytes per sample that the sweeps of the full Hessian hold: the blocks of ``H`` and ``G``, and temporaries."""
    sizes = {node: shape.numel() for node, shape in node_shapes(graph, x).items()}
    return 3 * x.element_size() * sum(sizes[u] * sizes[v] for u, v in {*hessian_blocks(graph), (graph.input,) * 2})


def hessian_blocks(graph: Graph) -> list[tuple[str, str]]:
    """The pairs of nodes, the earlier one first, whose block of ``H`` sweep 2 makes, by the graph alone."""
    found: dict[tuple[str, str], None] = {}
    place = {node: i for i, node in enumerate(graph.nodes)}
    for target in reversed(graph.nodes):
        incoming = [(edge.source, layer) for edge, layer in graph.pairs() if edge.target == target]
        partners = [u for u, v in found if v == target]
        for source, layer in incoming:
            others = [u for u in partners if u != target]
            others += [s for s, _ in incoming] if target in partners else []
            others += [] if layer.affine else [source]
            found |= dict.fromkeys(min((u, source), (source, u), key=lambda p: place[p[0]]) for u in others)
    return list(found)


def jacobian_bytes(graph: Graph, x: Tensor) -> int:
    """Bytes a sample that the Jacobians take: those of the influential nodes, their squares and what is at work."""
    shapes = node_shapes(graph, x)
    widths = sum(shapes[node].numel() for node in graph.influential if node != graph.input)
    return 3 * x.element_size() * x[0].numel() * (widths + x[0].numel())
