"""Sparse graphical models: the conditions of a minimum, the graphs that are found, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

import scorematching as sm
from scorematching.domains import Interval
from scorematching.energies import Gaussian, PairwiseModel
from scorematching.estimators import fit_l1_path


def chain(dim: int, samples: int, seed: int = 0) -> torch.Tensor:
    """Return samples of a Gaussian whose graph is a chain, with partial correlations of 0.4."""
    precision = torch.eye(dim, dtype=torch.float64)
    for i in range(dim - 1):
        precision[i, i + 1] = precision[i + 1, i] = -0.4
    normal = torch.distributions.MultivariateNormal(torch.zeros(dim, dtype=torch.float64), precision_matrix=precision)
    torch.manual_seed(seed)
    return normal.sample((samples,))


@pytest.mark.parametrize("multiplier", [1.0, 1.5])
@pytest.mark.parametrize("positive", [False, True])
def test_each_point_of_the_path_is_a_minimum(positive: bool, multiplier: float) -> None:
    """The gradient of the loss is ``-2 penalty sign K`` at an edge, smaller elsewhere, and 0 for what is free."""
    dim, penalties = 5, torch.tensor([0.2, 0.02, 0.07], dtype=torch.float64)
    x = chain(dim, 300)
    x = x.abs() if positive else x
    x = x / x.std(0)
    domain = Interval(0, cap=1.0) if positive else None  # the penalty is for variables of deviation 1
    path = fit_l1_path(Gaussian(dim).double(), x, penalties=penalties, domain=domain, multiplier=multiplier)
    assert path.penalties.tolist() == [0.2, 0.07, 0.02]
    off = ~torch.eye(dim, dtype=torch.bool)
    for penalty, matrix in zip(path.penalties, path.interactions, strict=True):
        model = Gaussian(dim).double()
        with torch.no_grad():
            model.interaction.copy_(matrix[tuple(torch.triu_indices(dim, dim))])
        slopes = _slopes(model, x, domain, multiplier)
        edges = matrix.ne(0) & off
        torch.testing.assert_close(slopes[edges], -2 * penalty * matrix[edges].sign(), rtol=1e-8, atol=1e-10)
        assert (slopes[~edges & off].abs() <= 2 * penalty * (1 + 1e-8)).all()
        assert slopes.diagonal().abs().max() < 1e-8


def _slopes(model: Gaussian, x: torch.Tensor, domain: Interval | None, multiplier: float) -> torch.Tensor:
    """Return the gradient of the loss, with the multiplier and the best ``linear``, by ``K`` as a matrix."""
    sm.fit_closed_form(model, x, parameters=["linear"], domain=domain)
    loss = sm.score_matching_loss(model, x, domain=domain)
    h = torch.ones_like(x) if domain is None else domain.weights(x).h
    squares = (h[:, :, None] * x[:, None, :] ** 2).mean(0)  # [j, i]: mean of h_j x_i^2
    k = model.matrix
    loss = loss + 0.5 * (multiplier - 1) * (k**2 * squares).sum()
    (gradient,) = torch.autograd.grad(loss, model.interaction)
    return gradient[model.places]


def test_the_graph_of_a_chain_is_found() -> None:
    model = Gaussian(8).double()
    x = chain(8, 1000)
    x = x / x.std(0)
    path = fit_l1_path(model, x)
    assert model.edges == [(i, i + 1) for i in range(7)]
    assert path.edges[0] == 0
    assert int(path.edges[path.best]) == 7
    assert "7" in str(path).splitlines()[path.best + 1]
    assert str(path).splitlines()[path.best + 1].endswith("best")
    again = sm.score_matching_loss(model, x).item()
    costs = [edges * math.log(1000) + 2 * math.log(math.comb(28, edges)) for edges in path.edges.tolist()]
    inflation = (path.ebic[path.best].item() - 2000 * again) / costs[path.best]
    assert 1 < inflation < 4  # 2 for standard normal variables


def test_the_graph_does_not_depend_on_units() -> None:
    graphs, matrices = [], []
    for scale in (torch.ones(6), torch.full((6,), 10.0), torch.tensor([1, 1000, 1, 0.01, 1, 3])):
        path = fit_l1_path(model := Gaussian(6).double(), scale * chain(6, 500))
        graphs.append((model.edges, path.best))
        matrices.append((scale[:, None] * scale * model.matrix).detach())
    assert graphs[0] == graphs[1] == graphs[2]
    for matrix in matrices[1:]:
        torch.testing.assert_close(matrix, matrices[0], rtol=1e-6, atol=1e-8)


def test_fewer_samples_than_variables_and_what_is_refused() -> None:
    for samples, dim in ((15, 20), (50, 40), (20, 30)):
        torch.manual_seed(0)
        path = fit_l1_path(model := Gaussian(dim).double(), torch.randn(samples, dim).double())
        assert torch.isfinite(path.ebic[path.best])
        assert len(model.edges) <= 2  # of independent variables
    x = chain(20, 15)
    with pytest.raises(ValueError, match="do not determine the interactions: pass a multiplier above 1"):
        fit_l1_path(Gaussian(20).double(), x, multiplier=1.0)
    with pytest.raises(ValueError, match="a graph needs two variables or more"):
        fit_l1_path(Gaussian(1).double(), x[:, :1])
    with pytest.raises(TypeError, match="expected a PairwiseModel, got Linear"):
        fit_l1_path(torch.nn.Linear(20, 1).double(), x)
    with pytest.raises(ValueError, match=r"gamma from 0 to 1 and a multiplier of 1 or more, got 2\.0 and"):
        fit_l1_path(PairwiseModel(20).double(), x, gamma=2)
    with pytest.raises(ValueError, match="penalties must be an integer of 2 or more, got 1"):
        fit_l1_path(PairwiseModel(20).double(), x, penalties=1)
