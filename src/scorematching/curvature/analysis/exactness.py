"""Report on a graph: whether the diagonal recursion is exact, where it becomes inexact, and the cost of each method."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from scorematching.curvature.analysis.costs import Cost, method_costs
from scorematching.curvature.analysis.structure import (
    coupling_distance,
    indicators,
    infer_shape,
    node_shapes,
    path_counts,
    unit_pass,
    units,
)
from scorematching.graph import Graph
from scorematching.runtime.arguments import shown
from scorematching.runtime.cache import remembered
from scorematching.runtime.kinds import check_arguments


@dataclass(frozen=True)
class NodeReport:
    """Report on one node of an energy.

    Attributes:
        name: Name of the node in the graph.
        shape: Shape of one sample.
        hessian: Structure of the energy's Hessian with respect to the node: ``"zero"``, ``"diagonal"``, ``"block"``
            (each non-linear unit depends on some of the entries only, as in pooling and convolutions) or ``"full"``.
        exact: Whether ``d2`` of the recursion is the true diagonal here, or ``None`` if there are too many paths to
            count.
    """

    name: str
    shape: tuple[int, ...]
    hessian: str
    exact: bool | None


@dataclass(frozen=True)
class ExactnessReport:
    """Report on the curvature of an energy, from its structure alone. ``print`` shows it as a table.

    Attributes:
        exact: Whether the recursion (``curvature="diagonal"``) gives the true diagonal at the data for all weights.
            ``False`` if there are too many paths to count.
        where: Places where the recursion becomes inexact, one sentence each, in the order of the layers.
        nodes: Reports on the nodes, in order.
        coupled: Pairs of different nodes between which the Hessian has entries.
        costs: Cost of each method.
        batch: Number of samples in the step whose costs are given.
    """

    exact: bool
    where: tuple[str, ...]
    nodes: tuple[NodeReport, ...]
    coupled: tuple[tuple[str, str], ...]
    costs: tuple[Cost, ...]
    batch: int

    def __str__(self) -> str:
        verdict = "exact: the recursion gives the true diagonal of the Hessian"
        if not self.exact:
            verdict = "approximate: the recursion does not give the true diagonal of the Hessian"
        shape = "x".join(map(str, self.nodes[0].shape))
        lines = [f"{verdict} (samples of shape {shape})", *(f"  {place}" for place in self.where), ""]
        wide = max(len(node.name) for node in self.nodes)
        lines.append(f"{'node':{wide}}  {'shape':>14}  {'Hessian':8}  d2")
        for node in self.nodes:
            exact = {True: "exact", False: "approximate", None: "not known"}[node.exact]
            shape = "x".join(map(str, node.shape)) or "1"
            lines.append(f"{node.name:{wide}}  {shape:>14}  {node.hessian:8}  {exact}")
        pairs = [f"{u} and {v}" for u, v in self.coupled[:6]]
        more = f", and {len(self.coupled) - 6} more pairs" if len(self.coupled) > 6 else ""
        lines.append("coupled: " + (", ".join(pairs) or "no two nodes") + more)
        lines += ["", f"{'method':10}  {'multiplications':>15}  {'memory':>9}   (one step, batch {self.batch})"]
        for cost in self.costs:
            note = "  approximate" if cost.method == "diagonal" and not self.exact else ""
            lines.append(f"{cost.method:10}  {cost.multiplications:15.2e}  {_bytes(cost.memory):>9}{note}")
        return "\n".join(lines)


def exactness_report(energy: Graph, shape: tuple[int, ...] | None = None, batch: int = 1) -> ExactnessReport:
    """Report whether the diagonal recursion is exact for an energy, from its structure alone, for all weights.

    The function counts the paths from the entries of each node to the non-linear units. If it reports "exact", the
    recursion is exact for samples of the reported shape. If there are too many paths to count, it reports "not known".

    Args:
        energy: The model.
        shape: Shape of one sample, such as (1, 64, 64). By default a small shape that the layers accept.
        batch: Number of samples in the step whose costs are reported.

    Raises:
        TypeError: ``energy`` is not a graph.
        ValueError: The layers do not accept the shape, or it is not given and cannot be guessed.

    Example:
        >>> import scorematching as sm
        >>> deep = sm.Sequential(sm.Linear(3, 5), sm.layers.Tanh(), sm.Linear(5, 4), sm.StudentT(), sm.WeightedSum(4))
        >>> report = exactness_report(deep)
        >>> report.exact, report.where
        (False, ('Linear on edge 2 (g2 -> g3) mixes what depends on the same inputs',))
    """
    if not isinstance(energy, Graph):
        raise TypeError(f"energy must be a scorematching Graph or Sequential, got {type(energy).__name__}")
    if not isinstance(batch, int) or batch < 1:
        raise ValueError(f"batch must be an integer of 1 or more, got {batch!r}")
    if shape is not None and not (
        isinstance(shape, tuple | list)
        and all(isinstance(n, int) and n > 0 for n in shape)
        and math.prod(shape) < 2**31
    ):
        raise ValueError(f"shape must be the shape of one sample, such as (1, 64, 64), got {shown(shape)}")
    check_arguments(exactness_report, locals())
    x = _sample(energy, infer_shape(energy) if shape is None else tuple(shape))
    shapes = node_shapes(energy, x)
    where = path_meetings(energy, x)
    return ExactnessReport(
        exact=not where,
        where=tuple(where),
        nodes=tuple(_node_report(energy, shapes, node, x) for node in energy.nodes),
        coupled=tuple(_coupled(energy, shapes, x)),
        costs=tuple(method_costs(energy, x, batch)),
        batch=batch,
    )


def _sample(energy: Graph, shape: tuple[int, ...]) -> Tensor:
    """Return a sample of ones, with the type and device of the parameters."""
    like = next(energy.parameters(), torch.zeros(()))
    return like.new_ones(1, *shape).detach()


def path_meetings(energy: Graph, x: Tensor) -> list[str]:
    """Return the places where two paths from one input meet before a non-linear unit, one sentence each."""
    return remembered(energy, ("meetings", x.shape[1:]), lambda: _path_meetings(energy, x))


@torch.no_grad()
def _path_meetings(energy: Graph, x: Tensor) -> list[str]:
    if _has_one_way(energy):
        return []
    shapes, found = node_shapes(energy, x), dict[str, None]()
    try:
        for columns in indicators(energy, shapes, energy.input, x):
            counts = path_counts(energy, energy.input, columns)
            if any(_several(counts[node]) for node in units(energy) if node in counts):
                found |= dict.fromkeys(_meetings(energy, counts))
    except OverflowError as error:
        return [f"not known: {error}"]
    return list(found)


def _has_one_way(energy: Graph) -> bool:
    """Return True if there can be only one path: no node is a sum, and at most one layer is affine."""
    leading = [(edge.target, layer) for edge, layer in energy.pairs() if edge.target in energy.influential]
    return len({node for node, _ in leading}) == len(leading) and sum(layer.affine for _, layer in leading) <= 1


def _several(counts: Tensor) -> bool:
    """Return True if some count is two or more, allowing for rounding errors of sums."""
    return float(counts.max()) > 1.5


def _meetings(energy: Graph, counts: dict[str, Tensor]) -> list[str]:
    """Return the places, in order, where counts of 1 become a count of 2."""
    found = []
    for node in energy.nodes:
        incoming = [(e, layer) for e, layer in energy.pairs() if e.target == node and e.source in counts]
        if node not in counts or not _several(counts[node]) or not incoming:
            continue
        if any(_several(counts[edge.source]) for edge, _ in incoming):
            continue
        mixing = [
            f"{type(layer).__name__} on {edge} mixes what depends on the same inputs"
            for edge, layer in incoming
            if _several(unit_pass(layer, counts[edge.source]))
        ]
        found += mixing or [f"paths from the same inputs meet at node {node!r}, where {len(incoming)} edges end"]
    return found


@torch.no_grad()
def _node_report(energy: Graph, shapes: dict[str, torch.Size], node: str, x: Tensor) -> NodeReport:
    """Return the report on a node, from the entries that each non-linear unit depends on."""
    name, shape, seen = node, tuple(shapes[node]), dict[str, Tensor]()
    if node not in energy.influential:
        return NodeReport(name, shape, "zero", True)
    entries, exact = 0, True
    try:
        for columns in indicators(energy, shapes, node, x):
            entries += len(columns)
            counts = path_counts(energy, node, columns)
            for unit in (unit for unit in units(energy) if unit in counts):
                exact = exact and not _several(counts[unit])
                reached = (counts[unit] > 0).sum(0)
                seen[unit] = seen[unit] + reached if unit in seen else reached
    except OverflowError:
        return NodeReport(name, shape, "full", None)
    together = max(int(number.max()) for number in seen.values())
    local = all(n == 1 for n in coupling_distance(energy, shapes[node], node))
    whole = together == shapes[node].numel() and together > 1
    kind = "full" if whole else "diagonal" if together == 1 and (local or entries == shapes[node].numel()) else "block"
    return NodeReport(name, shape, kind, exact)


@torch.no_grad()
def _coupled(energy: Graph, shapes: dict[str, torch.Size], x: Tensor) -> list[tuple[str, str]]:
    """Return the pairs of nodes, the earlier one first, that some non-linear unit depends on by separate paths."""
    nodes, influential = energy.nodes, energy.influential
    found = []
    for i, earlier in enumerate(nodes):
        last = max((nodes.index(edge.target) for edge in energy.edges if edge.source == earlier), default=0)
        for later in nodes[i + 1 : last]:
            if earlier in influential and later in influential:
                ones = {node: x.new_ones(1, *shapes[node]) for node in (earlier, later)}
                one = path_counts(energy, earlier, ones[earlier], beyond=later)
                two = path_counts(energy, later, ones[later])
                shared = (unit for unit in units(energy) if unit in one and unit in two and unit != earlier)
                if any(bool(((one[unit] > 0) & (two[unit] > 0)).any()) for unit in shared):
                    found.append((earlier, later))
    return found


def _bytes(number: int) -> str:
    """Format a number of bytes, such as 1.5 MB."""
    size = float(number)
    units = ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"
