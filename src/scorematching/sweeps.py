"""Extended double backpropagation: Algorithm 1 of the supplement, as four loops over the edges.

===== ======== ==================== ===================================================================
sweep          computes             start
===== ======== ==================== ===================================================================
1     forward  ``g``                the data
2     backward ``d``, ``d2``        ``d = 1`` and ``d2 = 0`` at the output
3     forward  ``a``, ``a2``        ``a = dJ/dd`` and ``a2 = dJ/dd2`` at the input
4     backward ``c``, gradients     ``c = 0`` at the output
===== ======== ==================== ===================================================================

The sweeps work with a loss that is summed over the batch. They are functions of an explicit :class:`State`; nothing is
stored on the modules. They consist of ordinary tensor operations, so they can be differentiated automatically. The
tests use this: sweeps 3 and 4 are derivatives of sweeps 1 and 2. A missing entry of a dictionary stands for zero. A
batch of one stands for a tensor that is the same for all samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from scorematching.graph import Graph
from scorematching.layers.base import Local, Sides

Key = TypeVar("Key")


@dataclass
class State:
    """Quantities of the sweeps, by the name of the node or, for ``local``, by the number of the edge.

    The symbols are those of ``layers/base.py``. If ``d_alone`` is True, only ``d`` of the data is computed, and every
    other quantity is deleted when it is no longer needed.
    """

    d_alone: bool = False
    g: dict[str, Tensor] = field(default_factory=dict)
    d: dict[str, Tensor] = field(default_factory=dict)
    d2: dict[str, Tensor] = field(default_factory=dict)
    a: dict[str, Tensor] = field(default_factory=dict)
    a2: dict[str, Tensor] = field(default_factory=dict)
    c: dict[str, Tensor] = field(default_factory=dict)
    local: dict[int, Local] = field(default_factory=dict)


def sweep1(graph: Graph, x: Tensor, curvature: bool = True) -> State:
    """Run sweep 1 forward: compute ``g`` of the influential nodes, and ``local`` of each edge.

    If only affine layers lead from a node to the output, its value has no influence on ``d`` and ``d2``. Such a node
    gets a stand-in of the right shape.

    Args:
        graph: The energy.
        x: Data, shape (N, ...).
        curvature: Whether later sweeps need more than ``d`` of the data.

    Raises:
        ValueError: A shape does not fit; the message names the edge.
    """
    state, influential = State(d_alone=not curvature), graph.influential
    values, last = {graph.input: x}, {edge.source: edge.number for edge in graph.edges}
    for edge, layer in graph.pairs():
        g = values[edge.source]
        graph.check_edge(edge, layer, g)
        local = layer.local(g, curvature)
        y = layer(g) if edge.target in influential else layer.stand_in(g)
        graph.add_to_node(values, edge, y)
        if state.d_alone:
            local = local._replace(x=g.new_zeros(()).expand_as(g))  # the rules for d use only its shape
            if edge.number == last[edge.source]:
                del values[edge.source]
        state.local[edge.number] = local
    graph.check_energy(values[graph.output], len(x))
    if not state.d_alone:
        state.g = {node: values[node] for node in influential}
    return state


def sweep2(graph: Graph, state: State, curvature: bool = True, of_data: bool = True) -> None:
    """Run sweep 2 backward: compute ``d = dE/dg``, (1), and ``d2``, the diagonal of d2E/dg2, section 1.3.

    Args:
        graph: The energy.
        state: State after sweep 1; ``d`` and ``d2`` are added.
        curvature: Whether ``d2`` is needed.
        of_data: Whether ``d2`` of the data is needed too.
    """
    x = state.local[graph.edges[0].number].x
    state.d, state.d2 = {graph.output: x.new_ones(1)}, {}
    first = {edge.target: edge.number for edge in reversed(graph.edges)}
    for edge, layer in reversed(list(graph.pairs())):
        local, d, d2 = state.local[edge.number], state.d[edge.target], state.d2.get(edge.target)
        add_term(state.d, edge.source, layer.pull_d(local, d))
        if curvature and (of_data or edge.source != graph.input):
            add_term(state.d2, edge.source, layer.pull_d2(local, d, d2))
        if state.d_alone:
            del state.local[edge.number]
            if edge.number == first[edge.target]:
                del state.d[edge.target]
    state.d[graph.input] = state.d[graph.input].expand_as(x)


def sweep3(graph: Graph, state: State, a: Tensor | None, a2: Tensor | None) -> None:
    """Run sweep 3 forward: compute ``a = dJ/dd`` and ``a2 = dJ/dd2``, (3)-(8).

    The sweep is linear in its start. So the separate sweeps of the paper for K and L run as one, at half the cost.

    Args:
        graph: The energy.
        state: State after sweep 2; ``a`` and ``a2`` are added.
        a: dJ/d delta at the input, (3) and (5), shape (N, ...), or ``None`` for zero.
        a2: dJ/d delta' at the input, (7), shape (N, ...), or ``None`` for zero.
    """
    state.a, state.a2 = {}, {}
    add_term(state.a, graph.input, a)
    add_term(state.a2, graph.input, a2)
    for edge, layer in graph.pairs():
        if edge.target == graph.output:
            continue  # d and d2 of the output are constants: a and a2 are not needed there
        local, a, a2 = state.local[edge.number], state.a.get(edge.source), state.a2.get(edge.source)
        add_term(state.a, edge.target, layer.push_a(local, a, a2))
        add_term(state.a2, edge.target, layer.push_a2(local, a2))


def curvature_of_data(graph: Graph, state: State, a2: Tensor) -> Tensor:
    """Return ``<a2, d2>`` at the data, summed over the batch, if sweep 2 left out ``d2`` of the data.

    For an affine layer this is ``<a2, (W∘W)^T d2> = <(W∘W) a2, d2>``. If ``a2`` is the same for all samples, the second
    form saves a matrix product.

    Args:
        graph: The energy.
        state: State after sweep 2.
        a2: dJ/d delta' at the input, with the shape of the data or of a batch of one.
    """
    x = state.local[graph.edges[0].number].x
    found = x.new_zeros(())
    for edge, layer in graph.pairs():
        if edge.source != graph.input:
            continue
        local, d, d2 = state.local[edge.number], state.d[edge.target], state.d2.get(edge.target)
        ends = (layer.push_a2(local, a2), d2) if layer.affine else (a2, layer.pull_d2(local, d, d2))
        if ends[0] is not None and ends[1] is not None:
            found = found + (ends[0] * ends[1]).sum()
    return found


def sweep4(
    graph: Graph,
    state: State,
    by_data: bool = True,
    start: dict[str, Tensor] | None = None,
    by_parameters: bool = True,
) -> dict[str, Tensor]:
    """Run sweep 4 backward: compute ``c = dJ/dg`` and the gradients of the parameters, (9)-(10), (14)-(17), (21)-(22).

    Args:
        graph: The energy.
        state: State after sweep 3; ``c`` is added.
        by_data: Whether ``state.c[graph.input]``, the gradient with respect to the data, is needed.
        start: Terms of ``c`` that are already known, by node; by default none.
        by_parameters: Whether the gradients of the parameters are needed.

    Returns:
        The gradient of each parameter that requires one and influences the loss, by its name in the graph. A layer on
        several edges has one term for each edge; their sum is the gradient.
    """
    state.c, influential = dict(start or {}), graph.influential
    found: dict[str, Tensor] = {}
    for edge, layer in reversed(list(graph.pairs())):
        local, source, target = state.local[edge.number], edge.source, edge.target
        sides = Sides(
            state.d[target], state.d2.get(target), state.a.get(source), state.a2.get(source), state.c.get(target)
        )
        if source in influential and (by_data or source != graph.input):
            add_term(state.c, source, layer.pull_c(local, sides))
        for name, gradient in layer.gradients(local, sides).items() if by_parameters else ():
            found[f"layers.{edge.number}.{name}"] = gradient
    if by_data and graph.input not in state.c:
        state.c[graph.input] = torch.zeros_like(state.local[graph.edges[0].number].x)
    return found


def add_term(sums: dict[Key, Tensor], key: Key, term: Tensor | None) -> None:
    """Add a term to ``sums[key]``, where ``None`` is zero."""
    if term is not None:
        sums[key] = sums[key] + term if key in sums else term
