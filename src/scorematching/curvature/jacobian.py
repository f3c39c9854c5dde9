"""Forward Jacobians: exact for every network, and cheaper than full Hessians if D is smaller than the hidden widths.

Let ``u`` be the inputs of the pointwise layers, ``J`` their Jacobian with respect to the data, and ``d`` the gradient
at the outputs of these layers. Then ::

    delta'_i = sum over layers and their units k of  d_k f''(u_k) J_ki^2

The Jacobians go forward through the layers as D columns per sample, the tangents of the unit vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from scorematching.curvature.analysis.costs import jacobian_bytes
from scorematching.curvature.base import Curvature, Derivatives, in_chunks
from scorematching.curvature.objective import Objective, sm_partials, sm_value
from scorematching.curvature.tangents import identity, tangent_gradients, tangent_sweeps
from scorematching.graph import Graph, check_graph
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.functional import Gradients
from scorematching.runtime.kinds import check_arguments


@dataclass(frozen=True)
class ForwardJacobian(Curvature):
    """Diagonal of the Hessian by forward Jacobians, for a :class:`scorematching.Graph`.

    Args:
        memory: Maximum size of the Jacobians in bytes. The batch is split into chunks to fit.

    Raises:
        ValueError: ``memory`` is not a number above 0.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 5), sm.layers.Tanh(), sm.Linear(5, 5), sm.layers.LogCosh(), sm.Sum())
        >>> ForwardJacobian().derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    recordable: ClassVar[bool] = True
    memory: float = 1e9

    def __post_init__(self) -> None:
        check_arguments(ForwardJacobian, vars(self))
        check_positive("memory", self.memory)

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives`."""
        graph = check_graph(energy, "curvature='jacobian'")
        return in_chunks(_derivatives, self.samples(graph, x), graph, x)

    def samples(self, energy: Graph, x: Tensor) -> int:
        """Return the number of samples that fit into the memory."""
        return max(1, int(self.memory / jacobian_bytes(energy, x)))

    def gradients(self, energy: Graph, x: Tensor, objective: Objective, by_data: bool) -> Gradients:
        """Implement :meth:`Curvature.gradients` by the sweeps of the tangents."""
        graph = check_graph(energy, "curvature='jacobian'")
        state, diagonal = tangent_sweeps(graph, x, identity(x))
        d = state.d[graph.input]
        d2 = diagonal.view_as(d)
        a, a2 = sm_partials(d, d2, objective)
        found = tangent_gradients(graph, state, a, a2.flatten(1), by_data)
        return Gradients(sm_value(d, d2, objective).sum(), found, state.c.get(graph.input))


def _derivatives(graph: Graph, x: Tensor) -> Derivatives:
    """Return the derivatives of one chunk."""
    state, diagonal = tangent_sweeps(graph, x, identity(x))
    d = state.d[graph.input]
    return Derivatives(d, diagonal.view_as(d))
