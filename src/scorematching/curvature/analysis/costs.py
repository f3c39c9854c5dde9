"""Cost of each curvature method on a graph: multiplications, numbers read and written, calls, memory and time.

The time is a linear model of the counts. Its coefficients were fitted to measured steps by ``python -m benchmarks
calibration``. They rank the methods on a CPU. They do not predict the time on another machine.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from scorematching.curvature.analysis.structure import coupling_distance, node_shapes
from scorematching.graph import Graph
from scorematching.runtime.cache import remembered

#: Seconds per multiplication, per number read or written and per call, by method: `python -m benchmarks calibration`.
SECONDS: dict[str, tuple[float, float, float]] = {
    "diagonal": (7.3e-12, 8.3e-10, 1.2e-05),
    "full": (2e-11, 4.8e-10, 1.7e-05),
    "jacobian": (6.3e-12, 1.8e-10, 1e-05),
    "coloring": (0.0, 5.8e-10, 2.8e-06),
}


class Cost(NamedTuple):
    """Cost of one loss with its gradient.

    Attributes:
        method: Name of the method.
        multiplications: Multiplications in matrix products and convolutions.
        touched: Numbers that all other operations read or write.
        calls: Number of tensor operations.
        memory: Bytes for the whole batch at once. A method with a memory budget splits the batch into chunks.
    """

    method: str
    multiplications: int
    touched: int
    calls: int
    memory: int

    @property
    def seconds(self) -> float:
        """Time in seconds, by the linear model."""
        counts = (self.multiplications, self.touched, self.calls)
        return sum(count * rate for count, rate in zip(counts, SECONDS[self.method], strict=True))


def method_costs(graph: Graph, x: Tensor, batch: int) -> list[Cost]:
    """Return the cost of each method that can be exact, for ``batch`` samples with the shape of a sample of ``x``."""
    shapes = node_shapes(graph, x)
    size = {node: shape.numel() for node, shape in shapes.items()}
    counts = remembered(graph, ("multiplications", x.shape[1:]), lambda: multiplications(graph, x))
    products, touched, calls = sum(counts.values()), sum(size.values()), len(counts)
    inputs, word = size[graph.input], x.element_size()
    blocks = hessian_blocks(graph)
    columns = {node: sum(size[u] for u, v in blocks if v == node) for node in graph.nodes}
    classes = shapes[graph.input][0] * math.prod(coupling_distance(graph, shapes[graph.input], graph.input))
    ahead = graph.influential
    forward = sum(counts[edge.number] for edge in graph.edges if edge.target in ahead)
    widths = sum(size[node] for node in ahead)
    held = word * 4 * touched
    return [
        Cost("diagonal", batch * 8 * products, batch * 10 * touched, 10 * calls, batch * 2 * held),
        Cost(
            "full",
            batch * (8 * products + 3 * sum(columns[edge.target] * counts[edge.number] for edge in graph.edges)),
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


@torch.no_grad()
def multiplications(graph: Graph, x: Tensor) -> dict[int, int]:
    """Count the multiplications of each layer on one sample, by the number of its edge.

    Only matrix products and convolutions are counted, with the rules of PyTorch's own counter of operations.
    """
    shapes = node_shapes(graph, x)
    found = {}
    for edge, layer in graph.pairs():
        with _Counter() as counter:
            if layer.affine:
                layer(x.new_ones(1, *shapes[edge.source]))
        found[edge.number] = counter.operations // 2  # PyTorch counts additions too
    return found


class _Counter(TorchDispatchMode):
    """Counter like ``FlopCounterMode`` of PyTorch, whose first use takes a second to import the compiler."""

    operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from torch.utils.flop_counter import flop_registry

        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            self.operations += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=result)
        return result


def full_bytes(graph: Graph, x: Tensor) -> int:
    """Return the bytes per sample of the full Hessian's sweeps: the blocks of ``H`` and ``G``, and temporaries."""
    sizes = {node: shape.numel() for node, shape in node_shapes(graph, x).items()}
    return 3 * x.element_size() * sum(sizes[u] * sizes[v] for u, v in {*hessian_blocks(graph), (graph.input,) * 2})


def hessian_blocks(graph: Graph) -> list[tuple[str, str]]:
    """Return the pairs of nodes, the earlier one first, for which sweep 2 computes a block of ``H``."""
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
    """Return the bytes per sample of the Jacobians of the influential nodes, of their squares, and of temporaries."""
    shapes = node_shapes(graph, x)
    widths = sum(shapes[node].numel() for node in graph.influential if node != graph.input)
    return 3 * x.element_size() * x[0].numel() * (widths + x[0].numel())
