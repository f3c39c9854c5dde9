"""Forward Jacobians: exact for every network, and the cheaper way where D is smaller than the hidden widths.

With ``J`` the Jacobian by the data of the inputs ``u`` of the point-wise layers, and ``d`` behind them::

    delta'_i = sum over layers and their units k of  d_k f''(u_k) J_ki^2

The Jacobians go forward through the layers as D columns a sample. The gradient is by automatic differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from scorematching.curvature.base import Curvature, Derivatives, in_chunks
from scorematching.curvature.structure import node_shapes
from scorematching.graph import Graph
from scorematching.objective import Penalty
from scorematching.sweeps import sweep1, sweep2
from scorematching.validation import check_graph, check_positive


@dataclass(frozen=True)
class Jacobian(Curvature):
    """The diagonal of the Hessian by forward Jacobians. Needs a :class:`scorematching.Graph`.

    Args:
        memory: Bytes that the Jacobians may take; the batch is cut into chunks accordingly.

    Raises:
        ValueError: ``memory`` is no number above 0.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 5), sm.Tanh(), sm.Linear(5, 5), sm.LogCosh(), sm.Sum())
        >>> Jacobian().derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    recordable: ClassVar[bool] = True
    memory: float = 1e9

    def __post_init__(self) -> None:
        check_positive("memory", self.memory)

    def derivatives(self, energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Derivatives:
        """As :class:`Curvature` has it; the penalty of the whole Hessian is not to be had."""
        graph = check_graph(energy, "curvature='jacobian'")
        if penalty == "hessian":
            raise ValueError("forward Jacobians give no whole Hessian to penalise: take curvature='full'")
        return in_chunks(_derivatives, self.samples(graph, x), graph, x)

    def samples(self, energy: Graph, x: Tensor) -> int:
        """As many as the memory holds."""
        return max(1, int(self.memory / jacobian_bytes(energy, x)))


def jacobian_bytes(graph: Graph, x: Tensor) -> int:
    """Bytes a sample that the Jacobians take: those of the influential nodes, their squares and what is at work."""
    shapes = node_shapes(graph, x)
    widths = sum(shapes[node].numel() for node in graph.influential if node != graph.input)
    return 3 * x.element_size() * x[0].numel() * (widths + x[0].numel())


def _derivatives(graph: Graph, x: Tensor) -> Derivatives:
    """The derivatives of one chunk."""
    state = sweep1(graph, x)
    sweep2(graph, state, curvature=False)
    influential = graph.influential
    d = state.d[graph.input]
    d2 = torch.zeros_like(d)
    # One identity for all samples: the columns are the same for all of them until a slope comes in.
    identity = torch.eye(x[0].numel(), dtype=x.dtype, device=x.device).view(1, -1, *x.shape[1:])
    columns = {graph.input: identity}
    for edge, layer in graph.pairs():
        local = state.local[edge.number]
        if edge.source not in influential:
            continue
        curved = layer.pull_d2(local, state.d[edge.target], None)
        if curved is not None:
            jacobian = columns[edge.source]
            d2 = d2 + (jacobian.reshape(*jacobian.shape[:2], -1).square() @ curved.reshape(len(x), -1, 1)).view_as(d)
        if edge.target in influential:
            pushed = layer.push_columns(local, columns[edge.source])
            columns[edge.target] = columns[edge.target] + pushed if edge.target in columns else pushed
    return Derivatives(d, d2)
