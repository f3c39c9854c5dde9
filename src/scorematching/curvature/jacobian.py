"""Forward Jacobians: exact for every network, and the cheaper way where D is smaller than the hidden widths.

With ``J`` the Jacobian by the data of the inputs ``u`` of the point-wise layers, and ``d`` behind them::

    delta'_i = sum over layers and their units k of  d_k f''(u_k) J_ki^2

The Jacobians go forward through the layers as D columns a sample: the tangents of the unit vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from scorematching.curvature.analysis.costs import jacobian_bytes
from scorematching.curvature.base import Curvature, Derivatives, in_chunks
from scorematching.curvature.objective import Objective, Penalty, sm_partials, sm_value
from scorematching.curvature.tangents import identity, tangent_gradients, tangent_sweeps
from scorematching.graph import Graph, check_graph
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.functional import Gradients


@dataclass(frozen=True)
class ForwardJacobian(Curvature):
    """The diagonal of the Hessian by forward Jacobians. Needs a :class:`scorematching.Graph`.

    Args:
        memory: Bytes that the Jacobians may take; the batch is cut into chunks accordingly.

    Raises:
        ValueError: ``memory`` is no number above 0.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 5), sm.layers.Tanh(), sm.Linear(5, 5), sm.layers.LogCosh(), sm.Sum())
        >>> ForwardJacobian().derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    recordable: ClassVar[bool] = True
    memory: float = 1e9

    def __post_init__(self) -> None:
        check_positive("memory", self.memory)

    def derivatives(self, energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Derivatives:
        """As :class:`Curvature` has it; the penalty of the whole Hessian is not to be had."""
        graph = _checked(energy, penalty)
        return in_chunks(_derivatives, self.samples(graph, x), graph, x)

    def samples(self, energy: Graph, x: Tensor) -> int:
        """As many as the memory holds."""
        return max(1, int(self.memory / jacobian_bytes(energy, x)))

    def gradients(
        self, energy: Graph, x: Tensor, objective: Objective, by_data: bool, drawn: Tensor | None = None
    ) -> Gradients:
        """By the sweeps of the tangents."""
        graph, lam, weight = _checked(energy, objective.penalty), objective.lam, objective.weight
        state, diagonal = tangent_sweeps(graph, x, identity(x))
        d = state.d[graph.input]
        d2 = diagonal.view_as(d)
        a, a2, _ = sm_partials(d, d2, lam, weight)
        found = tangent_gradients(graph, state, a, a2.flatten(1), by_data)
        by_x = state.c.get(graph.input, torch.zeros_like(x)) if by_data else None
        return Gradients(sm_value(d, d2, lam, weight).sum(), found, by_x)


def _checked(energy: nn.Module, penalty: Penalty) -> Graph:
    """The energy, if it is a graph and the penalty is to be had."""
    if penalty == "hessian":
        raise ValueError("forward Jacobians give no whole Hessian to penalize: take curvature='full'")
    return check_graph(energy, "curvature='jacobian'")


def _derivatives(graph: Graph, x: Tensor) -> Derivatives:
    """The derivatives of one chunk."""
    state, diagonal = tangent_sweeps(graph, x, identity(x))
    d = state.d[graph.input]
    return Derivatives(d, diagonal.view_as(d))
