"""Random estimates of the Hessian's diagonal: unbiased, noisy, and as cheap as one Hessian-vector product a probe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from scorematching.curvature.base import Curvature, Derivatives
from scorematching.curvature.products import Products
from scorematching.curvature.tangents import tangent_gradients, tangent_sweeps
from scorematching.functional import Gradients
from scorematching.graph import Graph
from scorematching.layers.base import Layer, Local
from scorematching.objective import Objective, Penalty, sm_value
from scorematching.sweeps import add_term, sweep1, sweep2
from scorematching.tracing import from_torch
from scorematching.validation import check_choice, check_graph

Distribution = Literal["rademacher", "gaussian"]


def draw(like: Tensor, distribution: Distribution, generator: torch.Generator | None) -> Tensor:
    """A probe ``v`` with independent entries of mean 0 and variance 1, of the shape of a tensor."""
    check_choice("distribution", distribution, ("rademacher", "gaussian"))
    device = like.device if generator is None else generator.device
    if distribution == "gaussian":
        return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=device).to(like.device)
    return (torch.randint(2, like.shape, generator=generator, device=device).to(like) * 2) - 1


def unbiased_square(estimates: Tensor) -> Tensor:
    """The square of a mean from independent estimates of it, shape (P, ...), without the bias of their variance.

    A single estimate squared is too large by its variance; products of two independent ones are right in the mean.
    """
    probes = len(estimates)
    return (estimates.sum(0).square() - estimates.square().sum(0)) / (probes * (probes - 1))


@dataclass(frozen=True)
class Hutchinson(Curvature):
    """Hutchinson's estimate ``v∘(H v)`` of the diagonal, for any module that returns energies.

    It is the variance-reduced form of sliced score matching (Song et al., 2019): K is exact and the curvature is
    estimated. The squares of the regulariser come from products of independent probes, so that all of the loss is
    unbiased; those of the whole Hessian from ``(H v)^2``.

    Args:
        probes: How many; by default 1, or 2 where the diagonal is to be squared.
        distribution: ``"rademacher"`` (signs; the smaller variance) or ``"gaussian"``.
        generator: What the probes are drawn with; torch's own if not given.

    Raises:
        ValueError: ``probes`` is no whole number of 1 or more, or the distribution is unknown.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Softplus(), torch.nn.Linear(8, 1))
        >>> Hutchinson(probes=4).derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    recordable: ClassVar[bool] = True
    probes: int | None = None
    distribution: Distribution = "rademacher"
    generator: torch.Generator | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_probes(self.probes)
        check_choice("distribution", self.distribution, ("rademacher", "gaussian"))

    def derivatives(self, energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Derivatives:
        """As :class:`Curvature` has it; the penalty of the diagonal needs two probes or more."""
        return _estimated(energy, x, penalty, self.draws(x, penalty))

    def draws(self, x: Tensor, penalty: Penalty) -> Tensor:
        """The probes, shape (N, probes, ...)."""
        count = probes_for(self.probes, penalty)
        return torch.stack([draw(x, self.distribution, self.generator) for _ in range(count)], 1)

    def value(self, energy: nn.Module, x: Tensor, objective: Objective, drawn: Tensor | None = None) -> Tensor:
        """Without a penalty the trace is enough, by tangents; with weights ``w`` of directions ``w^(1/2) v``."""
        lam, penalty, weight = objective
        assert drawn is not None
        if penalty == "none" and isinstance(energy, Graph):
            state, curved = tangent_sweeps(energy, x, _weighted(drawn, weight))
            return _sliced(state.d[energy.input], curved, weight)
        d, d2, square = _estimated(energy, x, penalty, drawn)
        return sm_value(d, d2, lam, weight, square).sum()

    def gradients(
        self, energy: Graph, x: Tensor, objective: Objective, by_data: bool, drawn: Tensor | None = None
    ) -> Gradients:
        """Of :meth:`value`; without a penalty by the sweeps of the tangents."""
        if objective.penalty != "none":
            return super().gradients(energy, x, objective, by_data, drawn)
        assert drawn is not None
        state, curved = tangent_sweeps(energy, x, _weighted(drawn, objective.weight))
        d = state.d[energy.input]
        a = d if objective.weight is None else d * objective.weight
        found = tangent_gradients(
            energy, state, a, curved.new_full((1, curved.shape[1]), -1 / curved.shape[1]), by_data
        )
        by_x = state.c.get(energy.input, torch.zeros_like(x)) if by_data else None
        return Gradients(_sliced(d, curved, objective.weight), found, by_x)


def _estimated(energy: nn.Module, x: Tensor, penalty: Penalty, probes: Tensor) -> Derivatives:
    """Hutchinson's estimates, by one Hessian-vector product a probe."""
    products = Products(energy, x)
    directions = probes.unbind(1)
    curved = [products.hessian_times(v) for v in directions]
    each = torch.stack([v * hv for v, hv in zip(directions, curved, strict=True)])
    square = None
    if penalty == "diagonal":
        square = unbiased_square(each)
    elif penalty == "hessian":
        square = torch.stack(curved).square().mean(0)
    return Derivatives(products.d, each.mean(0), square)


def _weighted(probes: Tensor, weight: Tensor | None) -> Tensor:
    """``w^(1/2) v``."""
    if weight is None:
        return probes
    return probes * (weight.unsqueeze(1) if weight.ndim == probes.ndim - 1 else weight).sqrt()


def _sliced(d: Tensor, curved: Tensor, weight: Tensor | None) -> Tensor:
    """The sum of the losses, from ``d`` and the second differences, shape (N, probes)."""
    squares = d.square() if weight is None else weight * d.square()
    return 0.5 * squares.sum() - curved.mean(1).sum()


@dataclass(frozen=True)
class CurvaturePropagation(Curvature):
    """Curvature propagation (Martens, Sutskever & Swersky, 2012): random vectors sent back through the layers.

    With ``M = diag(f'' d)`` the curvature that a point-wise layer brings in, two vectors go backward::

        t  =  J^T t + v |M|^(1/2) sign M          u  =  J^T u + v |M|^(1/2)

    with the same signs ``v``; at the data ``t∘u`` has the diagonal of the Hessian as its mean. The layers must be
    seen: a module that is no :class:`scorematching.Graph` is traced by :func:`scorematching.from_torch`, at every
    call; to trace it once, do so yourself.

    Args:
        probes: How many; by default 1, or 2 where the diagonal is to be squared.
        generator: What the signs are drawn with; torch's own if not given.

    Raises:
        ValueError: ``probes`` is no whole number of 1 or more.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 8), sm.Softplus(), sm.Linear(8, 4), sm.LogCosh(), sm.Sum())
        >>> CurvaturePropagation().derivatives(energy, torch.zeros(2, 3)).d2.shape
        torch.Size([2, 3])
    """

    probes: int | None = None
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        check_probes(self.probes)

    def derivatives(self, energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Derivatives:
        """As :class:`Curvature` has it; the penalty of the diagonal needs two probes, that of the Hessian is not."""
        graph = check_graph(energy, "the sweeps") if isinstance(energy, Graph) else _traced(energy, x)
        if penalty == "hessian":
            raise ValueError("curvature propagation gives no rows of the Hessian to penalise: take 'hutchinson'")
        state = sweep1(graph, x)
        sweep2(graph, state, curvature=False)
        probes = probes_for(self.probes, penalty)
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
        return Derivatives(d, each.mean(0), unbiased_square(each) if penalty == "diagonal" else None)

    def _noise(self, layer: Layer, local: Local, d: Tensor, probes: int) -> Tensor:
        """``v M / s`` and ``v s`` with ``s = |M|^(1/2)``, shape (N, 2 probes, ...).

        ``s`` counts as a constant: the mean of the product is ``M`` for any, and a root has no slope at zero.
        """
        curved = layer.pull_d2(local, d, None)
        assert curved is not None
        m = curved.unsqueeze(1)
        s = m.detach().abs().sqrt().clamp_min(torch.finfo(m.dtype).tiny ** 0.5)
        v = draw(m.expand(m.shape[0], probes, *m.shape[2:]), "rademacher", self.generator)
        return torch.cat([v * (m / s), v * s], 1)


def _traced(energy: nn.Module, x: Tensor) -> Graph:
    """The graph of a module, as it is now: buffers and parameters may have been replaced since the last time."""
    return from_torch(energy, x[:1])


def probes_for(probes: int | None, penalty: Penalty) -> int:
    """The number of probes: as given, or as many as the penalty needs."""
    needed = 2 if penalty == "diagonal" else 1
    if probes is not None and probes < needed:
        raise ValueError(f"the square of a random estimate is biased: lam > 0 needs probes of {needed} or more, got 1")
    return needed if probes is None else probes


def check_probes(probes: int | None) -> None:
    """Raise ``ValueError`` where there is no probe."""
    if probes is not None and (not isinstance(probes, int) or isinstance(probes, bool) or probes < 1):
        raise ValueError(f"probes must be a whole number of 1 or more, got {probes!r}")
