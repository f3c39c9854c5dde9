"""Sparse graphical models: the path of an l1 penalty, and the extended Bayesian information criterion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from sklearn.linear_model import lars_path_gram
from torch import Tensor

from scorematching.domains import DomainChoice, Interval, domain_named
from scorematching.energies import PairwiseModel
from scorematching.runtime.arguments import check_count, check_positive
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.validation import check_data
from scorematching.statistics.closed_form import Moments, moments_of, write_parameters
from scorematching.statistics.estimate import factored
from scorematching.statistics.sample_losses import SampleLosses

#: Largest multiplier of the diagonal, beyond which the rest of the matrix is lost in rounding.
_MOST = 1e12


@dataclass(frozen=True, eq=False)
class L1Path:
    """Result of :func:`fit_l1_path`, along P decreasing penalties. ``print`` shows a table.

    Attributes:
        penalties: Penalties, shape (P,).
        interactions: ``K`` for each penalty, shape (P, D, D), float64.
        ebic: Extended Bayesian information criterion of each graph, fitted again without the penalty, shape (P,).
        best: Place of the smallest criterion.
    """

    penalties: Tensor
    interactions: Tensor
    ebic: Tensor
    best: int

    @property
    def edges(self) -> Tensor:
        """Number of edges for each penalty, shape (P,)."""
        return self.interactions.triu(1).ne(0).sum((1, 2))

    def __str__(self) -> str:
        lines = [f"{'penalty':>10}  edges  {'eBIC':>10}"]
        rows = zip(self.penalties.tolist(), self.edges.tolist(), self.ebic.tolist(), strict=True)
        for place, (penalty, edges, ebic) in enumerate(rows):
            lines.append(f"{penalty:10.4g}  {edges:5}  {ebic:10.1f}{'  best' if place == self.best else ''}")
        return "\n".join(lines)


@torch.no_grad()
def fit_l1_path(
    model: PairwiseModel,
    x: Tensor,
    *,
    penalties: Tensor | int = 30,
    domain: DomainChoice = None,
    gamma: float = 1.0,
    multiplier: float | None = None,
) -> L1Path:
    """Fit sparse pairwise models along a path of penalties, and keep the one with the best criterion.

    The penalized loss is ``J + penalty sum_(i != j) |K_ij|`` (Lin, Drton & Shojaie 2016). It is a quadratic function of
    the parameters, so least angle regression follows its minimum exactly. Each graph on the path is fitted again
    without the penalty, and the extended Bayesian information criterion ``2 N J + r (edges log N + 2 gamma log (pairs
    over edges))`` is computed (Foygel & Drton 2010). The smallest wins, and the model gets its parameters. The factor
    ``r`` is the mean, over the pairs, of the variance of the slope of the loss divided by its curvature. It is 1 for a
    log likelihood. It makes the choice independent of the units of ``x`` and of the weights of a domain.

    Without a domain, and for positive variables, the penalty is that of variables divided by their standard deviations,
    so the graph does not depend on units. In other domains, divide the variables first. Graphs in which a variable has
    more neighbors than a tenth of the samples are not considered: their fits are not stable.

    Args:
        model: Pairwise model of D variables; its parameters are set in place.
        x: Data, shape (N, D).
        penalties: Penalties, in any order, or their number: then they fall from the smallest penalty without an edge
            by a factor of 100.
        domain: As in :func:`scorematching.score_matching_loss`.
        gamma: Weight of the number of possible graphs, from 0 (the ordinary criterion) to 1.
        multiplier: Factor of the diagonal of the quadratic form, 1 or more. A factor above 1 makes a minimum exist for
            fewer samples than variables (Yu, Drton & Shojaie 2019). By default 1, or for fewer than two samples per
            variable the factor that they recommend.

    Returns:
        The path.

    Raises:
        TypeError: The model is not a :class:`scorematching.energies.PairwiseModel`, or a tensor is not of floating
            point.
        ValueError: A number is out of its range, ``x`` is not valid, there is one variable, or the data do not
            determine the parameters.

    Example:
        Four variables, of which the first two depend on each other:

        >>> import scorematching as sm
        >>> x = torch.randn(500, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> x[:, 1] += x[:, 0]
        >>> model = sm.energies.Gaussian(4).double()
        >>> path = sm.estimators.fit_l1_path(model, x)
        >>> model.edges
        [(0, 1)]
    """
    if not isinstance(model, PairwiseModel):
        raise TypeError(f"expected a PairwiseModel, got {type(model).__name__}")
    check_arguments(fit_l1_path, locals())
    check_data(model, x, finite=True)
    count, dim = len(model.interaction), len(model.linear)
    if dim < 2:
        raise ValueError("a graph needs two variables or more, got one")
    multiplier = _recommended(len(x), dim) if multiplier is None else multiplier
    gamma, multiplier = float(gamma), float(multiplier)
    if not 0 <= gamma <= 1 or not 1 <= multiplier < _MOST:
        raise ValueError(f"expected gamma from 0 to 1 and a multiplier of 1 or more, got {gamma} and {multiplier}")
    bounded = domain_named(domain)
    free = bounded is None or (isinstance(bounded, Interval) and bounded.scale_free)
    scale = x.std(0).double() if free else torch.ones(dim, dtype=torch.float64)
    problem = SampleLosses(
        model,
        x / scale.to(x),
        lam=0.0,
        parameters=["interaction", "linear"],
        curvature="auto",
        weight=None,
        domain=bounded,
    )
    plain = moments_of(problem, model, False)
    moments = plain._replace(gram=plain.gram.clone())
    moments.gram.diagonal()[1 : 1 + count] *= multiplier
    rows, columns = torch.triu_indices(dim, dim)
    pairs = (rows != columns).nonzero()[:, 0]
    grid, along = _path(moments, pairs, penalties)
    graphs = along[:, pairs] != 0
    ebic = torch.full((len(grid),), math.inf, dtype=torch.float64)
    inflation = _inflation(problem, plain, along[0], pairs)
    matrices = along[:, :count][:, model.places]
    neighbors = matrices.ne(0).sum(2).amax(1) - 1
    kept = torch.ones(len(grid), count + dim, dtype=torch.bool)
    kept[:, pairs] = graphs
    for place in (neighbors <= max(1, len(x) // 10)).nonzero()[:, 0].tolist():
        if (again := _refitted(moments, kept[place])) is not None:
            cost = _complexity(int(graphs[place].sum()), len(pairs), len(x), gamma)
            ebic[place] = 2 * len(x) * moments.loss(again) + inflation * cost
    best = int(ebic.argmin())
    fit = _refitted(plain, kept[best])
    units = scale**-model.a
    back = torch.cat([(units[:, None] * units)[rows, columns], scale**-model.b])
    write_parameters([model.interaction, model.linear], back * (along[best] if fit is None else fit))
    return L1Path(grid, matrices * units[:, None] * units, ebic, best)


def _recommended(samples: int, dim: int) -> float:
    """Return the multiplier of the diagonal: 1 for enough samples, else that of Yu, Drton & Shojaie (2019)."""
    if samples >= 2 * dim:
        return 1.0
    ratio = 6 * math.log(dim) / samples
    return 2 - 1 / (1 + 4 * math.e * max(ratio, math.sqrt(ratio)))


def _path(moments: Moments, pairs: Tensor, penalties: Tensor | int) -> tuple[Tensor, Tensor]:
    """Return the penalties, falling, shape (P,), and the penalized parameters, shape (P, K)."""
    a, b = moments.a, moments.b
    free = torch.ones(len(b), dtype=torch.bool)
    free[pairs] = False
    factor = factored(a[free][:, free], moments.within(free).labels)
    gain = torch.cholesky_solve(torch.cat([a[free][:, pairs], b[free, None]], 1), factor)
    gram = a[pairs][:, pairs] - a[pairs][:, free] @ gain[:, :-1]
    slope = b[pairs] - a[pairs][:, free] @ gain[:, -1]
    if isinstance(penalties, int):
        check_count("penalties", penalties, least=2)
        grid = 0.5 * slope.abs().max() * torch.logspace(0, -2, penalties, dtype=torch.float64)
    else:
        grid = torch.as_tensor(penalties, dtype=torch.float64).sort(descending=True).values
        if grid.ndim != 1 or not len(grid):
            raise ValueError(f"penalties must be a number of them, or one penalty or more, got {tuple(grid.shape)}")
        check_positive("the smallest penalty", float(grid[-1]), zero=True)
    if int(torch.linalg.cholesky_ex(gram).info):
        raise ValueError("the data do not determine the interactions: pass a multiplier above 1, or more samples")
    options = {"n_samples": 1, "method": "lasso", "max_iter": 10 * len(pairs)}
    ends = 2 * float(grid[-1])  # each pair has two entries of K
    knots, _, found = lars_path_gram(slope.numpy(), gram.numpy(), alpha_min=ends, **options)
    knots, found = torch.from_numpy(knots) / 2, torch.from_numpy(found).T
    whole = b.new_zeros(len(grid), len(b))
    whole[:, pairs] = _interpolated(grid, knots, found)
    whole[:, free] = gain[:, -1] - whole[:, pairs] @ gain[:, :-1].T
    return grid, whole


def _interpolated(grid: Tensor, knots: Tensor, found: Tensor) -> Tensor:
    """Return a piecewise linear function of falling knots at the grid: constant 0 above the first knot."""
    after = torch.searchsorted(-knots, -grid).clamp(max=len(knots) - 1)
    before = (after - 1).clamp_min(0)
    gap = (knots[before] - knots[after]).clamp_min(1e-300)
    part = ((knots[before] - grid) / gap).clamp(0, 1)[:, None]
    values = found[before] + part * (found[after] - found[before])
    values[(found[before] == 0) & (part <= 0)] = 0
    return values


def _refitted(moments: Moments, kept: Tensor) -> Tensor | None:
    """Return the minimum of the loss with the other parameters at 0, shape (K,); ``None`` if it is not unique."""
    inner = moments.within(kept)
    factor, failed = torch.linalg.cholesky_ex(inner.a)
    if int(failed):
        return None
    found = torch.zeros_like(moments.b)
    found[kept] = torch.cholesky_solve(inner.b[:, None], factor)[:, 0]
    return found


def _inflation(problem: SampleLosses, moments: Moments, theta: Tensor, pairs: Tensor) -> float:
    """Return the mean of ``V_kk / A_kk`` over the pairs: 1 if the loss were a negative log likelihood."""
    psi = problem.gradients(theta)[:, pairs]
    return float((psi.square().mean(0) / moments.a.diagonal()[pairs]).mean())


def _complexity(edges: int, pairs: int, samples: int, gamma: float) -> float:
    """Return the penalty of the criterion for the number of edges (Foygel & Drton 2010)."""
    graphs = math.lgamma(pairs + 1) - math.lgamma(edges + 1) - math.lgamma(pairs - edges + 1)
    return edges * math.log(samples) + 2 * gamma * graphs
