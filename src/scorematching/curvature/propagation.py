"""Curvature propagation: random estimate of the diagonal, from random vectors that go backward through the layers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.curvature.base import Curvature, Derivatives
from scorematching.curvature.probes import check_probes, draw, probes_for, unbiased_square
from scorematching.graph import check_graph
from scorematching.layers.base import Layer, Local
from scorematching.runtime.kinds import check_arguments
from scorematching.sweeps import add_term, sweep1, sweep2


@dataclass(frozen=True)
class CurvaturePropagation(Curvature):
    """Curvature propagation (Martens, Sutskever & Swersky 2012): a random estimate of the diagonal of the Hessian.

    Let ``M = diag(f'' d)`` be the curvature that a pointwise layer adds. Two vectors go backward through the layers::

        t  =  J^T t + v |M|^(1/2) sign M          u  =  J^T u + v |M|^(1/2)

    Both have the same random signs ``v``. At the data, the mean of ``t∘u`` is the diagonal of the Hessian. The energy
    must be a :class:`scorematching.Graph`. :func:`scorematching.from_torch` turns most modules into one. A gradient
    with ``create_graph=True`` draws new signs, so it is another unbiased estimate than the loss.

    Args:
        probes: Number of probes; by default 1, or 2 if the regularizer squares the diagonal.
        generator: Random number generator of the signs. By default that of PyTorch.

    Raises:
        ValueError: ``probes`` is not an integer of 1 or more.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 8), sm.layers.Softplus(), sm.Linear(8, 4), sm.StudentT(), sm.Sum())
        >>> CurvaturePropagation().derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    probes: int | None = None
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        check_arguments(CurvaturePropagation, vars(self))
        check_probes(self.probes)

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives`; an unbiased square needs two probes or more."""
        graph = check_graph(energy, "curvature='propagation'")
        probes = probes_for(self.probes, squared)
        state = sweep1(graph, x)
        sweep2(graph, state, curvature=False)
        columns: dict[str, Tensor] = {}
        for edge, layer in reversed(list(graph.pairs())):
            local = state.local[edge.number]
            if edge.target in columns:
                add_term(columns, edge.source, layer.pull_columns(local, columns[edge.target]))
            if not layer.affine:
                add_term(columns, edge.source, self._noise(layer, local, state.d[edge.target], probes))
        d = state.d[graph.input]
        if graph.input not in columns:
            return Derivatives(d, torch.zeros_like(d))
        t, u = columns[graph.input].chunk(2, dim=1)
        each = (t * u).transpose(0, 1)
        return Derivatives(d, each.mean(0), unbiased_square(each) if squared else None)

    def _noise(self, layer: Layer, local: Local, d: Tensor, probes: int) -> Tensor:
        """Return ``v M / s`` and ``v s`` with ``s = |M|^(1/2)``, shape (N, 2 probes, ...).

        The gradient treats ``s`` as a constant. This is correct, because the mean of the product is ``M`` for any
        ``s``. It also avoids the infinite slope of the root at zero.
        """
        curved = layer.pull_d2(local, d, None)
        assert curved is not None
        m = curved.unsqueeze(1)
        s = m.detach().abs().sqrt().clamp_min(torch.finfo(m.dtype).tiny ** 0.5)
        v = draw(m.expand(m.shape[0], probes, *m.shape[2:]), "rademacher", self.generator)
        return torch.cat([v * (m / s), v * s], 1)
