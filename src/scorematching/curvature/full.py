"""Full Hessian backpropagation, equation (2): exact for every network, with its own sweeps 3 and 4.

In place of ``d2``, the sweeps compute blocks ``H[u, v] = d2E/du dv`` for pairs of nodes. In place of ``a2``, they
compute the partner ``G[u, v] = dJ/dH[u, v]`` of each block. Sweep 2 goes from the output to the input, and eliminates
one node ``t`` after the other. An edge ``s -> t`` with Jacobian ``J`` adds the terms ::

    H[u, s]  +=  H[u, t] J        for every other node u that t is coupled with
    H[s, s'] +=  J^T H[t, t] J'   for every edge s' -> t with Jacobian J'
    H[s, s]  +=  diag(f'' d)      if the layer of the edge is pointwise

This is edge pushing (Gower & Mello 2012) on layers. Sweep 3 is the adjoint of sweep 2, and goes forward. In sweep 4,
each edge adds twice the gradient of ``<H[u, t], J G[u, s]>`` to the terms of ``d``, ``a`` and ``c``. Each block is
stored once, for ``u`` before ``v``, with shape (N, entries of u, *shape of v). The block for ``v`` before ``u`` is its
transpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from scorematching.curvature.analysis.costs import full_bytes
from scorematching.curvature.autograd import swept
from scorematching.curvature.base import Curvature, Derivatives, in_chunks
from scorematching.graph import Graph, check_graph
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.kinds import check_arguments
from scorematching.sweeps import State, add_term, sweep1, sweep2, sweep4

Pair = tuple[str, str]


@dataclass(frozen=True)
class FullHessian(Curvature):
    """Full Hessian at every node, by (2), for a :class:`scorematching.Graph`.

    Args:
        memory: Maximum size of the blocks in bytes. The batch is split into chunks to fit.

    Raises:
        ValueError: ``memory`` is not a number above 0.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 5), sm.layers.Tanh(), sm.Linear(5, 5), sm.layers.LogCosh(), sm.Sum())
        >>> FullHessian().derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    recordable: ClassVar[bool] = True
    memory: float = 1e9

    def __post_init__(self) -> None:
        check_arguments(FullHessian, vars(self))
        check_positive("memory", self.memory)

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives`."""
        graph = check_graph(energy, "curvature='full'")
        return in_chunks(_derivatives, self.samples(graph, x), graph, x)

    def samples(self, energy: Graph, x: Tensor) -> int:
        """Return the number of samples that fit into the memory."""
        return max(1, int(self.memory / full_bytes(energy, x)))


def _derivatives(graph: Graph, x: Tensor) -> Derivatives:
    """Return the derivatives of one chunk."""
    d, h = swept(_Hessian(), graph, x)
    return Derivatives(d, h.flatten(2).diagonal(dim1=1, dim2=2).view_as(x))


@dataclass
class HessianState(State):
    """State of the sweeps, with blocks ``h`` of the Hessian ``H``, and ``partners`` with the blocks of ``G``."""

    h: dict[Pair, Tensor] = field(default_factory=dict)
    partners: dict[Pair, Tensor] = field(default_factory=dict)


def hessian_sweep2(graph: Graph, state: HessianState) -> None:
    """Run sweep 2 backward: compute ``h``, the blocks of the Hessian, (2).

    Args:
        graph: The energy.
        state: State after sweep 1, and after sweep 2 for ``d``; ``h`` is added.
    """
    place = {node: i for i, node in enumerate(graph.nodes)}
    state.h = {}
    for target in reversed(graph.nodes):
        incoming = [(edge, layer) for edge, layer in graph.pairs() if edge.target == target]
        for u in [u for u, v in state.h if v == target]:
            for edge, layer in incoming:
                source, half = edge.source, layer.pull_columns(state.local[edge.number], state.h[u, target])
                if u == target:
                    for other, ahead in incoming:
                        if place[source] <= place[other.source]:
                            whole = ahead.pull_columns(state.local[other.number], _transposed(state, u, half))
                            add_term(state.h, (source, other.source), whole)
                elif u == source:
                    add_term(state.h, (u, u), half + _transposed(state, u, half))
                elif place[u] < place[source]:
                    add_term(state.h, (u, source), half)
                else:
                    add_term(state.h, (source, u), _transposed(state, u, half))
        for edge, layer in incoming:
            curved = layer.pull_d2(state.local[edge.number], state.d[target], None)
            if curved is not None:
                diagonal = torch.diag_embed(curved.reshape(len(curved), -1))
                add_term(state.h, (edge.source, edge.source), diagonal.reshape(*diagonal.shape[:2], *curved.shape[1:]))


def hessian_sweep3(graph: Graph, state: HessianState, a: Tensor | None, g: Tensor) -> None:
    """Run sweep 3 forward: compute ``a``, and ``G`` where it is needed. At pointwise layers ``a2`` is its diagonal.

    Args:
        graph: The energy.
        state: State after sweep 2; ``a``, ``a2`` and ``partners`` are added.
        a: dJ/d delta at the input, shape (N, ...), or ``None`` for zero.
        g: dJ/dH at the input, symmetric, shape (N, D, ...).
    """
    state.a, state.a2, state.partners = ({} if a is None else {graph.input: a}), {}, {(graph.input,) * 2: g}
    for edge, layer in graph.pairs():
        source = edge.source
        if not layer.affine and source not in state.a2:
            whole = partner(graph, state, source, source)
            diagonal = whole.reshape(*whole.shape[:2], -1).diagonal(dim1=1, dim2=2)
            state.a2[source] = diagonal.reshape(len(whole), *whole.shape[2:])
        pushed = layer.push_a(state.local[edge.number], state.a.get(source), state.a2.get(source))
        if pushed is not None and edge.target != graph.output:
            add_term(state.a, edge.target, pushed)


def partner(graph: Graph, state: HessianState, u: str, v: str) -> Tensor:
    """Return ``G[u, v]``, shape (N, entries of u, *shape of v): the sum of ``J G[u, s]`` over the edges into ``v``."""
    if graph.nodes.index(u) > graph.nodes.index(v):
        return _transposed(state, v, partner(graph, state, v, u))
    if (u, v) not in state.partners:
        for edge, layer in graph.pairs():
            if edge.target == v:
                columns = partner(graph, state, u, edge.source)
                add_term(state.partners, (u, v), layer.push_columns(state.local[edge.number], columns))
    return state.partners[u, v]


def hessian_sweep4(graph: Graph, state: HessianState, by_data: bool = True) -> dict[str, Tensor]:
    """Run sweep 4 backward: compute ``c`` and the gradients, with twice the gradient of each ``<H[u, t], J G[u, s]>``.

    Args:
        graph: The energy.
        state: State after sweep 3; ``c`` is added.
        by_data: Whether ``state.c[graph.input]``, the gradient with respect to the data, is needed.

    Returns:
        The gradient of each parameter that requires one and influences the loss, by its name in the graph.
    """
    curved: dict[str, Tensor] = {}
    c: dict[str, Tensor] = {}
    for edge, layer in graph.pairs():
        local = state.local[edge.number]
        for u in [u for u, v in state.h if v == edge.target]:
            h, g = state.h[u, edge.target], partner(graph, state, u, edge.source)
            for name, gradient in layer.pairing_gradients(local, h, g).items():
                add_term(curved, f"layers.{edge.number}.{name}", 2 * gradient)
            if not layer.affine and (by_data or edge.source != graph.input):
                pulled = layer.pull_pairing(local, h, g)
                if pulled is not None:
                    add_term(c, edge.source, 2 * pulled)
    found = sweep4(graph, state, by_data, c)
    for name, gradient in curved.items():
        add_term(found, name, gradient)
    return found


class _Hessian:
    """The sweeps of the full Hessian as a :class:`Rule`."""

    def forward(self, energy: Graph, x: Tensor) -> tuple[State, tuple[Tensor, ...]]:
        """Return the state, ``d``, and ``H`` with shape (N, D, ...)."""
        state = HessianState(**vars(sweep1(energy, x)))
        sweep2(energy, state, curvature=False)
        hessian_sweep2(energy, state)
        d, pair = state.d[energy.input], (energy.input,) * 2
        h = state.h.pop(pair, None)
        return state, (d, _blank(d) if h is None else h)

    def backward(
        self, energy: Graph, state: State, upstream: tuple[Tensor | None, ...], by_data: bool
    ) -> dict[str, Tensor]:
        """Run sweeps 3 and 4, from the gradients with respect to ``d`` and ``H``."""
        assert isinstance(state, HessianState)
        a, g = upstream
        if g is None:
            g = _blank(state.d[energy.input])
        hessian_sweep3(energy, state, a, 0.5 * (g + _transposed(state, energy.input, g)))
        return hessian_sweep4(energy, state, by_data)


def _transposed(state: State, u: str, block: Tensor) -> Tensor:
    """Transpose a block (N, entries of u, *shape of v) to (N, entries of v, *shape of u)."""
    flat = block.reshape(*block.shape[:2], -1).transpose(1, 2)
    return flat.reshape(*flat.shape[:2], *state.d[u].shape[1:])


def _blank(d: Tensor) -> Tensor:
    """Return a Hessian of zeros."""
    return d.new_zeros(len(d), d[0].numel(), *d.shape[1:])
