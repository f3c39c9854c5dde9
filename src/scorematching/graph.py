"""Energy networks: a directed acyclic graph with layers on its edges and values on its nodes.

The value of a node is the sum of its incoming edges. So an addition needs no layer, a skip connection is one more
edge, and every rule of the sweeps concerns one edge at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from scorematching.layers import Layer
from scorematching.runtime.arguments import shown
from scorematching.runtime.functional import modules_of
from scorematching.runtime.kinds import check_arguments


class Edge(NamedTuple):
    """One edge of a graph.

    Attributes:
        number: Index of the edge, and of its layer in :attr:`Graph.layers`, in the order given.
        source: Name of the node that the layer is applied to.
        target: Name of the node that the result is added to.
    """

    number: int
    source: str
    target: str

    def __str__(self) -> str:
        return f"edge {self.number} ({self.source} -> {self.target})"


class Graph(nn.Module):
    """An energy ``E(x; w)``, given by its edges.

    Args:
        edges: Triples (source node, layer, target node). A node is any string. A layer may be on several edges, which
            then share its weights.
        input: Name of the node that holds the data.
        output: Name of the node that holds the energies.

    Attributes:
        layers: Layers of the edges, in the order given; ``state_dict`` names them ``layers.0.weight`` and so on.
        edges: Edges in sweep order: each comes after all edges that lead to its source.

    Raises:
        TypeError: A layer is not a :class:`scorematching.layers.Layer`.
        ValueError: The graph has a cycle, a node without a path from the input or to the output, an edge into the
            input, or an edge out of the output.

    Example:
        A skip connection:

        >>> import torch, scorematching as sm
        >>> energy = sm.Graph(
        ...     [
        ...         ("x", sm.Linear(4, 8), "h"),
        ...         ("h", sm.layers.Tanh(), "u"),
        ...         ("x", sm.Linear(4, 8), "u"),
        ...         ("u", sm.layers.Square(), "v"),
        ...         ("v", sm.Sum(), "energy"),
        ...     ]
        ... )
        >>> energy(torch.zeros(3, 4)).shape
        torch.Size([3])
    """

    def __init__(self, edges: Iterable[tuple[str, Layer, str]], input: str = "x", output: str = "energy") -> None:
        check_arguments(Graph.__init__, locals())
        super().__init__()
        given = list(edges)
        if odd := [edge for edge in given if not isinstance(edge, tuple | list) or len(edge) != 3]:
            raise TypeError(f"an edge must be (source, layer, target), got {shown(odd[0])}")
        for source, layer, target in given:
            if not isinstance(layer, Layer):
                raise TypeError(
                    f"edge {source} -> {target}: expected a scorematching layer, got {type(layer).__name__}; "
                    "wrap a pointwise function in PointwiseFunction"
                )
        self.input, self.output = input, output
        order = _sweep_order([(source, target) for source, _, target in given], input, output)
        self.layers = nn.ModuleList(layer for _, layer, _ in given)
        self.edges = [Edge(i, given[i][0], given[i][2]) for i in order]

    @property
    def influential(self) -> frozenset[str]:
        """Nodes whose *value* influences ``d`` and ``d2``: a layer on a path from them to the output is not affine."""
        found: set[str] = set()
        for edge, layer in reversed(list(self.pairs())):
            if not layer.affine or edge.target in found:
                found.add(edge.source)
        return frozenset(found)

    @property
    def nodes(self) -> list[str]:
        """Nodes in sweep order: the input first, and each node after all nodes that lead to it."""
        last = {edge.target: place for place, edge in enumerate(self.edges)}
        return [self.input, *sorted(last, key=last.__getitem__)]

    def pairs(self) -> Iterable[tuple[Edge, Layer]]:
        """Yield the edges and their layers, in sweep order."""
        for edge in self.edges:
            layer = self.layers[edge.number]
            assert isinstance(layer, Layer)
            yield edge, layer

    def check_edge(self, edge: Edge, layer: Layer, x: Tensor) -> None:
        """Raise ``ValueError``, with the name of the edge, if the layer does not accept the shape of ``x``."""
        try:
            layer.check_input(x)
        except ValueError as error:
            raise ValueError(f"{type(layer).__name__} on {edge}: {error}") from None

    def add_to_node(self, values: dict[str, Tensor], edge: Edge, y: Tensor) -> None:
        """Add the value ``y`` of an edge to its target node.

        Raises:
            ValueError: The value of another edge has a different shape.
        """
        known = values.get(edge.target)
        if known is not None and known.shape != y.shape:
            raise ValueError(
                f"node {edge.target!r} is a sum of shape {tuple(known.shape)} so far, but {edge} adds {tuple(y.shape)}"
            )
        values[edge.target] = y if known is None else known + y

    def check_energy(self, energies: Tensor, samples: int) -> Tensor:
        """Return the energies; raise ``ValueError`` unless there is one per sample."""
        if energies.shape != (samples,):
            raise ValueError(
                f"node {self.output!r} must hold one energy per sample, shape ({samples},), got "
                f"{tuple(energies.shape)}: end the network with Sum or WeightedSum"
            )
        return energies

    def forward(self, x: Tensor) -> Tensor:
        """Return the energies, shape (N,), of a batch ``x``, shape (N, ...)."""
        values = {self.input: x}
        for edge, layer in self.pairs():
            self.check_edge(edge, layer, values[edge.source])
            self.add_to_node(values, edge, layer(values[edge.source]))
        return self.check_energy(values[self.output], len(x))

    def extra_repr(self) -> str:
        """Return the edges, for ``print``."""
        return "\n".join(str(edge) for edge in self.edges)


class Sequential(Graph):
    """A chain of layers, from the data to the energies.

    Args:
        layers: The layers in the order of application; the last one returns one number per sample.

    Example:
        A product of Student-t experts:

        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(64, 128), sm.StudentT(), sm.WeightedSum(128))
        >>> energy(torch.zeros(2, 64)).shape
        torch.Size([2])
    """

    def __init__(self, *layers: Layer) -> None:
        names = ["x", *(f"g{i}" for i in range(1, len(layers))), "energy"]
        super().__init__([(names[i], layer, names[i + 1]) for i, layer in enumerate(layers)])


def _sweep_order(edges: list[tuple[str, str]], input: str, output: str) -> list[int]:
    """Return the indices of the edges, each after all edges that lead to its source; raise if there is none."""
    sources, targets = {s for s, _ in edges}, {t for _, t in edges}
    if input not in sources:
        raise ValueError(f"no edge leaves the input node {input!r}; the nodes are {sorted(sources | targets)}")
    if output not in targets:
        raise ValueError(f"no edge leads to the output node {output!r}; the nodes are {sorted(sources | targets)}")
    if input in targets:
        raise ValueError(f"an edge leads into the input node {input!r}")
    if output in sources:
        raise ValueError(f"an edge leaves the output node {output!r}")
    if orphans := sources - targets - {input}:
        raise ValueError(f"unconnected: no edge leads to {sorted(orphans)}, and the input node is {input!r}")
    if ends := targets - sources - {output}:
        raise ValueError(f"unconnected: no edge leaves {sorted(ends)}, and the output node is {output!r}")
    order: list[int] = []
    waiting = dict(enumerate(edges))
    while waiting:
        unfinished = {target for _, target in waiting.values()}
        ready = [i for i, (source, _) in waiting.items() if source not in unfinished]
        if not ready:
            cycle = sorted({s for s, _ in waiting.values()} & unfinished)
            raise ValueError(f"the graph has a cycle, through some of the nodes {cycle}")
        order += ready
        for i in ready:
            del waiting[i]
    return order


def check_graph(energy: nn.Module, what: str) -> Graph:
    """Return the energy; raise ``TypeError`` unless it is a graph without parametrizations.

    ``what`` names the caller in the message.
    """
    if not isinstance(energy, Graph):
        raise TypeError(
            f"{what} needs a scorematching Graph or Sequential, got {type(energy).__name__} of "
            f"{type(energy).__module__.partition('.')[0]}: from_torch turns most modules into one"
        )
    if any(is_parametrized(layer) for _, layer in modules_of(energy)):
        raise TypeError("the sweeps do not support torch.nn.utils.parametrize: remove the parametrization")
    return energy
