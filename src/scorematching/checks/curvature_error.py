"""Error of the diagonal recursion, measured on data: at each node, in the loss, and in its gradient."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.curvature.analysis.exactness import exactness_report
from scorematching.curvature.analysis.structure import coupling_distance
from scorematching.curvature.auto import ApproximationWarning
from scorematching.curvature.coloring import Coloring
from scorematching.graph import Graph, check_graph
from scorematching.losses.score_matching import score_matching_loss
from scorematching.runtime.kinds import check_arguments, check_memory
from scorematching.runtime.validation import check_data, full_precision, warn_if_infinite
from scorematching.sweeps import sweep1, sweep2


@dataclass(frozen=True)
class CurvatureReport:
    """Errors of the diagonal recursion for an energy and given data. ``print`` shows a table.

    Attributes:
        errors: Relative error of ``d2``, and the layers that leave the node, by the name of the node. The input node is
            always included, the other nodes if the recursion is not exact there. The error is the norm of the
            difference from the true diagonal, divided by the norm of the true diagonal.
        loss: Exact loss.
        diagonal_loss: Loss computed with the recursion.
        gradient_error: Norm of the difference between the two gradients with respect to the parameters, divided by the
            norm of the exact gradient. NaN if the exact gradient is zero.
        gradient_cosine: Cosine of the angle between the two gradients. NaN if one of them is zero.
    """

    errors: dict[str, tuple[float, str]]
    loss: float
    diagonal_loss: float
    gradient_error: float
    gradient_cosine: float

    def __str__(self) -> str:
        wide = max(len(node) for node in self.errors)
        lines = [f"{'node':{wide}}  error of d2  leads to"]
        lines += [f"{node:{wide}}  {error:11.2%}  {layers}" for node, (error, layers) in self.errors.items()]
        lines += [
            f"loss      {self.loss:.6g} exact, {self.diagonal_loss:.6g} with the recursion",
            f"gradient  off by {self.gradient_error:.2%} of its norm, cosine {self.gradient_cosine:.4f}",
        ]
        return "\n".join(lines)


def curvature_report(energy: Graph, x: Tensor, lam: float = 0.0) -> CurvatureReport:
    """Measure the error of the diagonal recursion on data: at each node, in the loss, and in its gradient.

    The true diagonal is computed from Hessian-vector products, at the input and at each node where the structure of
    the graph does not guarantee that the recursion is exact. One product is needed per group of uncoupled entries. A
    few hundred samples are enough.

    Args:
        energy: Trained model.
        x: Data, shape (N, ...).
        lam: Regularizer of the loss, 0 or more.

    Returns:
        The measured errors.

    Raises:
        TypeError: ``energy`` is not a graph, or ``x`` is not floating point.
        ValueError: A shape does not fit, or ``x`` is not finite.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(4, 8), sm.layers.Tanh(), sm.Linear(8, 8), sm.layers.LogCosh(), sm.Sum())
        >>> report = curvature_report(energy, torch.randn(32, 4))
        >>> list(report.errors)
        ['x']
    """
    check_memory("x", x)
    check_data(energy, x, finite=True)
    check_graph(energy, "curvature_report")
    check_arguments(curvature_report, locals())
    structure = exactness_report(energy, tuple(x.shape[1:]))
    unsure = [node.name for node in structure.nodes if not node.exact]
    with torch.no_grad(), full_precision(x):
        state = sweep1(energy, x)
        sweep2(energy, state)
        values = _values(energy, x)
        errors = {
            node: (_error(energy, values, node, state.d2.get(node)), _layers(energy, node))
            for node in dict.fromkeys([energy.input, *unsure])
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ApproximationWarning)
        (exact, slope), (approximate, other) = (
            _loss_and_gradient(energy, x, lam, method) for method in ("auto", "diagonal")
        )
    warn_if_infinite(torch.stack([slope.norm() ** 2, other.norm() ** 2]))
    size, product = float(slope.norm()), float(slope.norm() * other.norm())
    error = float((other - slope).norm()) / size if size else math.nan
    cosine = float(slope @ other) / product if product else math.nan
    return CurvatureReport(errors, exact, approximate, error, cosine)


class _FromNode(nn.Module):
    """Energy as a function of the value of one node, with the earlier nodes fixed."""

    def __init__(self, graph: Graph, values: dict[str, Tensor], node: str) -> None:
        super().__init__()
        self.graph, self.values, self.node = graph, values, node

    def forward(self, value: Tensor) -> Tensor:
        """Return the energies, shape (N,)."""
        nodes = self.graph.nodes
        held = nodes[: nodes.index(self.node)]
        values = {**{node: self.values[node] for node in held}, self.node: value.view_as(self.values[self.node])}
        for edge, layer in self.graph.pairs():
            if edge.target not in held and edge.target != self.node:
                self.graph.add_to_node(values, edge, layer(values[edge.source]))
        return values[self.graph.output]


def _values(energy: Graph, x: Tensor) -> dict[str, Tensor]:
    """Return the values of all nodes."""
    values = {energy.input: x}
    for edge, layer in energy.pairs():
        energy.add_to_node(values, edge, layer(values[edge.source]))
    return values


def _error(energy: Graph, values: dict[str, Tensor], node: str, d2: Tensor | None) -> float:
    """Return the relative error of ``d2`` at a node."""
    value = values[node]
    column = value if value.ndim > 1 else value.unsqueeze(1)
    field = coupling_distance(energy, column.shape[1:], node)
    true = Coloring(field).derivatives(_FromNode(energy, values, node), column).d2.view_as(value)
    difference = true if d2 is None else d2 - true
    return float(difference.norm() / true.norm().clamp_min(torch.finfo(true.dtype).tiny))


def _layers(energy: Graph, node: str) -> str:
    """Describe the layers that leave a node, such as ``Linear to h``."""
    return ", ".join(
        f"{type(layer).__name__} to {edge.target}" for edge, layer in energy.pairs() if edge.source == node
    )


def _loss_and_gradient(energy: Graph, x: Tensor, lam: float, method: str) -> tuple[float, Tensor]:
    """Return the loss, and its gradient with respect to all parameters as one vector."""
    loss = score_matching_loss(energy, x, lam=lam, curvature="auto" if method == "auto" else "diagonal")
    parameters = [p for p in energy.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, parameters, allow_unused=True) if loss.requires_grad else [None] * len(parameters)
    flat = [(torch.zeros_like(p) if g is None else g).flatten() for p, g in zip(parameters, found, strict=True)]
    return float(loss.detach()), torch.cat([x.new_zeros(1), *flat])
