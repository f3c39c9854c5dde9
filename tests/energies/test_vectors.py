"""Ready-made energies of vectors: formulas against autograd, and known parameters."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

import scorematching as sm
from scorematching.energies import ICA, MLP, ExponentialFamily, Gaussian, PairwiseModel


def randomized(energy: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in energy.parameters():
        nn.init.normal_(parameter)
    return energy.double()


PAIRWISE = list(itertools.product((1.0, 0.5, 2.0), (1.0, 0.5, 0.0)))


@pytest.mark.parametrize(("a", "b"), PAIRWISE)
@pytest.mark.parametrize("lam", [0.0, 0.2])
def test_formulas_of_pairwise_models(a: float, b: float, lam: float) -> None:
    energy = randomized(PairwiseModel(3, a, b))
    x = (0.1 + torch.rand(7, 3, dtype=torch.float64)).requires_grad_()
    inputs = [x, *energy.parameters()]
    losses = [sm.score_matching_loss(energy, x, lam=lam, curvature=c, domain="positive") for c in ("auto", "coloring")]
    torch.testing.assert_close(*losses, rtol=1e-12, atol=0)
    gradients = [torch.autograd.grad(loss, inputs) for loss in losses]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


def test_a_gaussian_is_fitted_by_its_moments() -> None:
    """The fit from 2 D condensed samples is that from all of them, which other weights ask for."""
    torch.manual_seed(0)
    x = (torch.randn(60, 3) @ torch.randn(3, 3) + torch.randn(3)).double()
    energy = Gaussian(3).double()
    found = sm.fit_closed_form(energy, x, lam=0.1)
    whole = sm.fit_closed_form(energy, x, lam=0.1, weight=torch.ones_like(x))
    torch.testing.assert_close(found.estimate, whole.estimate, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(found.covariance, whole.covariance, rtol=1e-9, atol=1e-12)
    energy.fit_moments(x.mean(0), x.T.cov(correction=0), lam=0.1)
    torch.testing.assert_close(torch.cat([energy.interaction, energy.linear]), found.estimate, rtol=1e-9, atol=1e-10)
    with pytest.raises(ValueError, match="the covariance of the data is singular"):
        energy.fit_moments(torch.zeros(3), torch.ones(3, 3))
    sm.fit_closed_form(energy, x)
    torch.testing.assert_close(energy.covariance, x.T.cov(correction=0), rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(energy.mean, x.mean(0), rtol=1e-9, atol=1e-10)


def test_marginals_of_a_gaussian() -> None:
    energy = randomized(Gaussian(4))
    with torch.no_grad():
        root = torch.randn(4, 4, dtype=torch.float64)
        energy.interaction.copy_((root @ root.T + torch.eye(4))[tuple(torch.triu_indices(4, 4))])
    x = torch.randn(5, 4, dtype=torch.float64)
    observed = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 0], [1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]).bool()
    d, d2, _ = energy.marginal_derivatives(x, observed)
    for sample, seen, one, two in zip(x, observed, d, d2, strict=True):
        precision = torch.linalg.inv(energy.covariance[seen][:, seen])
        torch.testing.assert_close(one[seen], precision @ (sample[seen] - energy.mean[seen]))
        torch.testing.assert_close(two[seen], precision.diagonal())
        assert not one[~seen].any()
        assert not two[~seen].any()


def test_a_square_root_graphical_model_is_recovered() -> None:
    """With ``K`` diagonal, the square roots of the variables are independent, with a known density on a grid."""
    eta, k = 0.7, 1.5
    grid = torch.linspace(1e-7, 40, 2_000_001, dtype=torch.float64)
    mass = torch.exp(-k * grid + 2 * eta * grid.sqrt()).cumsum(0)
    uniform = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = grid[torch.searchsorted(mass / mass[-1], uniform)]
    energy = PairwiseModel(2, 0.5, 0.5).double()
    found = sm.fit_closed_form(energy, x, domain="positive")
    truth = torch.tensor([k, 0, k, eta, eta], dtype=torch.float64)
    assert ((found.estimate - truth).abs() < 4 * found.standard_errors).all()
    assert (found.standard_errors < 0.2).all()


def test_an_exponential_family_is_a_graph_of_the_same_terms() -> None:
    x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    statistics = [lambda x: -0.5 * x.square().sum(1), lambda x: -0.25 * x.pow(4).sum(1)]
    family = ExponentialFamily(statistics).double()
    found = sm.fit_closed_form(family, x, lam=0.1)
    edges = [("x", sm.layers.Square(), "s"), ("s", sm.layers.Scale(1), "q"), ("q", sm.Sum(0.5), "energy")]
    edges += [("s", sm.layers.Square(), "f"), ("f", sm.layers.Scale(1), "r"), ("r", sm.Sum(0.25), "energy")]
    graph = sm.Graph([*edges[:1], ("x", sm.layers.Square(), "t"), *edges[1:3], ("t", *edges[3][1:]), *edges[4:]])
    flat: Tensor = x.view(-1, 1)
    expected = sm.fit_closed_form(
        graph.double(), flat, lam=0.1, parameters=[n for n, _ in graph.named_parameters()]
    ).estimate
    torch.testing.assert_close(found.estimate.sort().values, expected.sort().values, rtol=1e-9, atol=1e-10)
    with pytest.raises(ValueError, match=r"statistic 0 must return one number per sample, \(200,\), got \(200, 2\)"):
        ExponentialFamily([torch.exp]).double()(x)


def test_independent_components_are_found() -> None:
    torch.manual_seed(0)
    sources = torch.distributions.Laplace(0.0, 1.0).sample((2000, 2))
    mixing = torch.tensor([[1.0, 0.6], [-0.4, 1.0]])
    energy, x = ICA(2), sources @ mixing.T
    optimizer = torch.optim.Adam(energy.parameters(), lr=0.03)
    for _ in range(250):
        optimizer.zero_grad()
        sm.score_matching_loss(energy, x).backward()
        optimizer.step()
    product = (energy.layers[0].weight.detach() @ mixing).abs()
    assert (product.sort(1).values[:, 0] < 0.1 * product.max(1).values).all()


def test_a_perceptron_starts_as_a_normal_distribution() -> None:
    energy, x = MLP(3, (8, 8)), torch.randn(5, 3)
    torch.testing.assert_close(energy(x), 0.5 * x.square().sum(1))
    assert torch.equal(MLP(3, (8, 8)).layers[3].weight, energy.layers[3].weight)
    assert max(sm.check_gradients(randomized(energy), x.double()).values()) < 1e-10
    with pytest.raises(ValueError, match="hidden must be an integer of 1 or more, got 0"):
        MLP(3, (8, 0))
    assert MLP(2, ())(torch.zeros(1, 2)).shape == (1,)
