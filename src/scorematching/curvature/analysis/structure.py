"""Structure of a graph, independent of its weights: shapes, receptive fields and numbers of paths.

The recursion for ``d2`` adds up the squares of the paths that lead from an input ``i`` to a non-linear unit ``k``. The
true diagonal has the square of their sum::

    recursion   sum_k d_k f''_k  sum_paths (product of slopes)^2
    truth       sum_k d_k f''_k (sum_paths  product of slopes)^2

So the recursion is exact for all weights if and only if at most one path leads from any input to any non-linear unit.
The paths are counted by applying the layers, with every weight 1, to indicators of single entries.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from scorematching.graph import Graph
from scorematching.layers.base import HERE, Layer, Span
from scorematching.layers.families import Affine
from scorematching.runtime.cache import remembered


def node_shapes(graph: Graph, x: Tensor) -> dict[str, torch.Size]:
    """Return the shape of one sample at each node, for data of the shape of ``x``."""
    return remembered(graph, ("shapes", x.shape[1:]), lambda: _shapes(graph, x))


@torch.no_grad()
def _shapes(graph: Graph, x: Tensor) -> dict[str, torch.Size]:
    values = {graph.input: torch.ones_like(x[:1])}
    for edge, layer in graph.pairs():
        graph.check_edge(edge, layer, values[edge.source])
        graph.add_to_node(values, edge, torch.ones_like(layer.stand_in(values[edge.source])))
    graph.check_energy(values[graph.output], 1)
    return {node: value.shape[1:] for node, value in values.items()}


def infer_shape(graph: Graph) -> tuple[int, ...]:
    """Guess the shape of a sample that the graph accepts, from the sizes of its parameters and indices.

    Raises:
        ValueError: No shape was found.
    """
    like = next(graph.parameters(), torch.zeros(()))
    sides = [64, 32, 28, 16, 8, *(n for n in range(1, 65) if n not in (8, 16, 28, 32, 64))]
    named = {size for parameter in graph.parameters() for size in parameter.shape}
    named |= {int(b.max()) + 1 for b in graph.buffers() if b.numel() and not b.is_floating_point()}
    for channels in dict.fromkeys([*sorted(named), 4, 1]):
        for shape in [(channels,), *((channels, n, n) for n in sides)]:
            with contextlib.suppress(ValueError, RuntimeError, IndexError):
                _shapes(graph, like.new_ones(1, *shape))
                return shape
    raise ValueError("the shape of a sample does not follow from the layers: pass it, such as shape=(1, 64, 64)")


Fields = tuple[Span, Span]


def receptive_fields(graph: Graph, start: str) -> dict[str, Fields | None]:
    """Return the receptive field of each node: the positions of ``start`` it depends on, along height and width.

    Nodes that do not depend on ``start`` are left out. ``None`` means that a position may depend on all positions,
    because some layer before it has no footprint.
    """
    found: dict[str, Fields | None] = {start: (HERE, HERE)}
    for edge, layer in graph.pairs():
        if edge.source in found:
            before, step = found[edge.source], _footprint(layer)
            seen = None if before is None or step is None else (step[0].behind(before[0]), step[1].behind(before[1]))
            found[edge.target] = _joined(found[edge.target], seen) if edge.target in found else seen
    return found


def _footprint(layer: Layer) -> tuple[Span, Span] | None:
    """Return the footprint of a layer; ``None`` if a subclass overrides the map of the class that defines it."""
    for kind in type(layer).__mro__:
        if "footprint" in vars(kind):
            return layer.footprint()
        if "linear" in vars(kind):
            break
    return None


def _joined(one: Fields | None, two: Fields | None) -> Fields | None:
    """Return the smallest field that contains both, or ``None`` if their rates differ."""
    if one is None or two is None or any(a.rate != b.rate for a, b in zip(one, two, strict=True)):
        return None
    both = [Span(a.rate, min(a.first, b.first), max(a.last, b.last)) for a, b in zip(one, two, strict=True)]
    return both[0], both[1]


def units(graph: Graph) -> list[str]:
    """Return the nodes whose entries are non-linear units: the sources of layers that are not affine."""
    return list(dict.fromkeys(edge.source for edge, layer in graph.pairs() if not layer.affine))


def coupling_distance(graph: Graph, shape: torch.Size, start: str) -> tuple[int, ...]:
    """Return the smallest distance at which no two entries are coupled, for each dimension after the channels.

    Args:
        graph: The energy.
        shape: Shape of one sample at ``start``, (C, ...).
        start: Name of a node.
    """
    fields = receptive_fields(graph, start)
    seen = [fields[node] for node in units(graph) if node in fields]
    distances = []
    for i, size in enumerate(shape[1:]):
        if any(f is None or (len(shape) not in (2, 3) and f != (HERE, HERE)) for f in seen):
            distances.append(size)
        else:
            widths = [1 + math.floor(f[min(i, 1)].last - f[min(i, 1)].first) for f in seen if f is not None]
            distances.append(min(size, max(widths, default=1)))
    return tuple(distances)


def path_counts(graph: Graph, start: str, columns: Tensor, beyond: str | None = None) -> dict[str, Tensor]:
    """Count the paths from entries of ``start`` to entries of each influential node; 2 stands for two or more.

    Args:
        graph: The energy.
        start: Name of a node.
        columns: Indicators of entries of ``start``, shape (K, *shape of start).
        beyond: Ignore the edges from ``start`` to this node and to earlier nodes.

    Returns:
        The counts by node, shape (K, *shape of the node).
    """
    place, influential = {node: i for i, node in enumerate(graph.nodes)}, graph.influential
    after = place[start if beyond is None else beyond]
    found = {start: columns}
    for edge, layer in graph.pairs():
        jumps = edge.source != start or place[edge.target] > after
        if edge.source in found and edge.target in influential and jumps:
            counted = unit_pass(layer, found[edge.source])
            found[edge.target] = (found[edge.target] + counted if edge.target in found else counted).clamp_(max=2)
    return found


def unit_pass(layer: Layer, counts: Tensor) -> Tensor:
    """Return the counts behind a layer. Each weight of an affine layer is a path from an input to an output."""
    if not isinstance(layer, Affine):
        return counts.clone()
    counted = layer.paths(counts).clone()
    if bool((counted < 0).any()):
        raise ValueError(
            f"{type(layer).__name__} subtracts, even with every coefficient 1: negative factors belong in its weight"
        )
    return counted


#: Maximum number of counts; with more, the paths are not counted.
LIMIT = 2**28


def indicators(graph: Graph, shapes: dict[str, torch.Size], start: str, like: Tensor) -> Iterator[Tensor]:
    """Yield indicators of entries of ``start`` that represent all entries, in chunks of shape (K, ...).

    If the layers are the same at every position of a large image, the entries of one period in the middle of a smaller
    image represent all entries, because no path exists only at the border.

    Args:
        graph: The energy.
        shapes: Shape of one sample at each node.
        start: Name of a node.
        like: A tensor of the required type and device.

    Raises:
        OverflowError: More than :data:`LIMIT` counts are needed.
    """
    shape, places = list(shapes[start]), [list(range(n)) for n in shapes[start]]
    behind = receptive_fields(graph, start)
    fields = [behind[node] for node in graph.influential if node in behind]
    if len(shape) == 3 and fields and all(f is not None for f in fields):
        for i in (1, 2):
            size, middle = _middle([f[i - 1] for f in fields if f is not None], shape[i])
            if size < shape[i]:
                shape[i], places[i] = size, middle
    entries = list(itertools.product(*places))
    scale = math.prod(shape) / max(1, shapes[start].numel())
    counted = 1 + int(scale * sum(shapes[node].numel() for node in graph.influential if node in behind))
    if len(entries) * counted > LIMIT:
        raise OverflowError(f"{len(entries)} times {counted} counts of paths from node {start!r}, more than {LIMIT}")
    size = max(1, LIMIT // 16 // counted)
    for first in range(0, len(entries), size):
        chunk = entries[first : first + size]
        columns = like.new_zeros(len(chunk), *shape)
        columns[(torch.arange(len(chunk)), *torch.tensor(chunk).T)] = 1
        yield columns


def _middle(spans: list[Span], actual: int) -> tuple[int, list[int]]:
    """Return the size of an image, and one period of positions in it that is farther from the borders than any path.

    The size differs from the actual one by whole periods, so that nodes of equal sizes still have equal sizes.
    """
    period = math.lcm(*(span.rate.numerator for span in spans))
    reach = 1 + math.ceil(max(max(abs(span.first), abs(span.last)) for span in spans))
    first = period * math.ceil(reach / period)
    least = first + 3 * period + 2 * reach
    return least + (actual - least) % period, list(range(first, first + period))
