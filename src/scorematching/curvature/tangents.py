"""Second derivatives ``v·(H v)`` by tangents: exact for every network, with their own sweeps 3 and 4.

Let ``u`` be the inputs of the pointwise layers, ``J`` their Jacobian with respect to the data, and ``d`` the gradient
at the outputs of these layers. The tangents are ``t = J v``. Then ::

    v·(H v) = sum over layers and their units k of  d_k f''(u_k) t_k^2

because ``H`` is the sum of ``J^T diag(f'' d) J`` over the layers. So one more forward sweep is enough. Unit vectors
``v`` give the diagonal of the Hessian. Random signs give an estimate of its trace. Let ``s`` be the derivative of the
loss with respect to ``v·(H v)``. Then sweep 3 starts from ``a2 = s t^2`` at each pointwise layer. Sweep 4 computes, in
addition to ``c``, the derivative ``tau`` of the loss with respect to ``t``. One ``v`` costs as much as the recursion:
nine matrix products per layer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from scorematching.graph import Graph
from scorematching.sweeps import State, add_term, sweep1, sweep2, sweep4


@dataclass
class TangentState(State):
    """State of the sweeps, with tangents ``t`` of the influential nodes, (N, K, ...) or (1, K, ...) for all samples."""

    t: dict[str, Tensor] = field(default_factory=dict)


def tangent_sweeps(graph: Graph, x: Tensor, v: Tensor) -> tuple[TangentState, Tensor]:
    """Run sweep 1, sweep 2 without ``d2``, and the forward sweep of the tangents.

    Args:
        graph: The energy.
        x: Data, shape (N, ...).
        v: K directions per sample, shape (N, K, ...), or (1, K, ...) for all samples.

    Returns:
        The state, and ``v·(H v)`` of each direction, shape (N, K).
    """
    state = TangentState(**vars(sweep1(graph, x)))
    sweep2(graph, state, curvature=False)
    state.t = {graph.input: v}
    found = x.new_zeros(len(x), v.shape[1])
    for edge, layer in graph.pairs():
        if edge.source not in graph.influential:
            continue
        local, t = state.local[edge.number], state.t[edge.source]
        curved = layer.pull_d2(local, state.d[edge.target], None)
        if curved is not None:
            found = found + (t.reshape(*t.shape[:2], -1).square() @ curved.reshape(len(curved), -1, 1))[..., 0]
        if edge.target in graph.influential:
            add_term(state.t, edge.target, layer.push_columns(local, t))
    return state, found


def tangent_gradients(
    graph: Graph, state: TangentState, a: Tensor | None, slopes: Tensor, by_data: bool
) -> dict[str, Tensor]:
    """Run sweeps 3 and 4: return the gradients of the parameters by name, and add ``c`` to the state.

    Args:
        graph: The energy.
        state: The state from :func:`tangent_sweeps`.
        a: dJ/d delta at the data, shape (N, ...), or ``None`` for zero.
        slopes: dJ/d(v·(H v)), shape (N, K), or (1, K) for all samples.
        by_data: Whether the gradient with respect to the data is needed.
    """
    _sweep3(graph, state, a, slopes)
    curved: dict[str, Tensor] = {}
    tau: dict[str, Tensor] = {}
    c: dict[str, Tensor] = {}
    for edge, layer in reversed(list(graph.pairs())):
        if edge.source not in graph.influential:
            continue
        local, t, behind = state.local[edge.number], state.t[edge.source], tau.get(edge.target)
        inner = edge.source != graph.input
        if inner and not layer.affine:
            bend = layer.pull_d2(local, state.d[edge.target], None)
            assert bend is not None
            add_term(tau, edge.source, 2 * _over_entries(slopes, t) * bend.unsqueeze(1) * t)
        if behind is None:
            continue
        # The gradient of an affine layer is a sum of outer products. If the samples share tangents, sum tau first.
        h = behind.sum(0, keepdim=True) if layer.affine and len(t) < len(behind) else behind
        for name, gradient in layer.pairing_gradients(local, h, t).items():
            add_term(curved, f"layers.{edge.number}.{name}", gradient)
        if not layer.affine and (by_data or inner):
            add_term(c, edge.source, layer.pull_pairing(local, behind, t))
        if inner:
            add_term(tau, edge.source, layer.pull_columns(local, behind))
    found = sweep4(graph, state, by_data, c)
    for name, gradient in curved.items():
        add_term(found, name, gradient)
    return found


def _sweep3(graph: Graph, state: TangentState, a: Tensor | None, slopes: Tensor) -> None:
    """Run sweep 3 forward: compute ``a``. At pointwise layers ``a2`` is ``sum_k s_k t_k^2``."""
    state.a, state.a2 = ({} if a is None else {graph.input: a}), {}
    for edge, layer in graph.pairs():
        source = edge.source
        if not layer.affine and source not in state.a2:
            t = state.t[source]
            state.a2[source] = (_over_entries(slopes, t) * t.square()).sum(1)
        if edge.target != graph.output:
            pushed = layer.push_a(state.local[edge.number], state.a.get(source), state.a2.get(source))
            add_term(state.a, edge.target, pushed)


def _over_entries(slopes: Tensor, t: Tensor) -> Tensor:
    """View slopes, (N, K), so that they broadcast over tangents, (N, K, ...)."""
    return slopes.view(*slopes.shape, *[1] * (t.ndim - 2))


def identity(x: Tensor) -> Tensor:
    """Return the unit vectors of the data as directions for all samples, shape (1, D, ...)."""
    return torch.eye(x[0].numel(), dtype=x.dtype, device=x.device).view(1, -1, *x.shape[1:])
