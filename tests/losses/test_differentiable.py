"""Scores, curvatures and losses inside other losses: second derivatives, and the transforms of ``torch.func``."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, vmap

import scorematching as sm
from scorematching.curvature import Coloring, FullHessian

Parameters = dict[str, Tensor]
METHODS = ["auto", "full", FullHessian(memory=1), "jacobian", "coloring", Coloring(memory=1)]


def network() -> sm.Graph:
    torch.manual_seed(0)
    layers = sm.Linear(3, 5), sm.layers.Tanh(), sm.Linear(5, 4), sm.layers.LogCosh(), sm.Sum()
    return sm.Sequential(*layers).double()


def data() -> Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def oracle(energy: nn.Module, parameters: Parameters, x: Tensor) -> Tensor:
    """Return the losses of the samples by ``torch.func`` alone, for ``lam = 0.1``."""

    def one(x: Tensor) -> Tensor:
        return functional_call(energy, parameters, (x[None],))[0]

    d, d2 = vmap(grad(one))(x), vmap(hessian(one))(x).diagonal(dim1=1, dim2=2)
    return (0.5 * d * d - d2 + 0.1 * d2 * d2).sum(1)


def twice(value: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """Return the gradient of the squared norm of the gradient."""
    first = torch.autograd.grad(value, inputs, create_graph=True, allow_unused=True)
    return list(torch.autograd.grad(sum(g.square().sum() for g in first if g is not None), inputs))


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_loss_is_differentiable_twice(method: Any, reduction: Any) -> None:
    energy, x = network(), data().requires_grad_()
    inputs = [x, *energy.parameters()]
    loss = sm.score_matching_loss(energy, x, lam=0.1, curvature=method, reduction=reduction).mean()
    expected = twice(oracle(energy, dict(energy.named_parameters()), x).mean(), inputs)
    torch.testing.assert_close(twice(loss, inputs), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shared", [False, True])
def test_the_recursion_is_differentiable_twice(shared: bool) -> None:
    """One hidden layer, once with a layer on two edges, whose weights have two names."""
    torch.manual_seed(0)
    filters = sm.Linear(3, 4)
    chain = [("x", filters, "u"), ("u", sm.StudentT(), "v"), ("v", sm.Sum(), "energy")]
    again = [("x", filters, "s"), ("s", sm.layers.Square(), "t"), ("t", sm.Sum(0.3), "energy")]
    energy, x = sm.Graph(chain + (again if shared else [])).double(), data().requires_grad_()
    inputs = [x, filters.weight]
    loss = sm.score_matching_loss(energy, x, lam=0.1, curvature="diagonal")
    expected = twice(oracle(energy, dict(energy.named_parameters()), x).mean(), inputs)
    torch.testing.assert_close(twice(loss, inputs), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("wrapped", [False, True], ids=["graph", "module"])
@pytest.mark.parametrize("method", ["auto", "coloring", Coloring(memory=1)], ids=str)
def test_gradients_of_each_sample_by_vmap(method: Any, wrapped: bool) -> None:
    energy, x = network(), data()
    loss = sm.ScoreMatchingLoss(nn.Sequential(energy) if wrapped else energy, lam=0.1, curvature=method)
    parameters = {name: p.detach() for name, p in loss.named_parameters()}

    def of_sample(parameters: Parameters, sample: Tensor) -> Tensor:
        return functional_call(loss, parameters, (sample[None],))

    found = vmap(grad(of_sample), (None, 0))(parameters, x)
    inner = {name: p.detach() for name, p in energy.named_parameters()}
    expected = torch.func.jacrev(lambda parameters: oracle(energy, parameters, x))(inner)
    torch.testing.assert_close(list(found.values()), list(expected.values()), rtol=1e-10, atol=1e-12)


def test_a_score_and_a_curvature_inside_a_loss() -> None:
    energy, x = network(), data().requires_grad_()
    inputs = [x, *energy.parameters()]
    loss = sm.score(energy, x).square().sum() + sm.hessian_diagonal(energy, x).square().sum()
    (d,) = torch.autograd.grad(energy(x).sum(), x, create_graph=True)
    units = torch.eye(3, dtype=torch.float64)
    d2 = sum(unit * torch.autograd.grad(d, x, unit.expand_as(x), create_graph=True)[0] for unit in units)
    expected = twice(d.square().sum() + d2.square().sum(), inputs)
    torch.testing.assert_close(twice(loss, inputs), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("lam", [0.0, 0.1])
def test_the_second_derivative_has_the_random_numbers_of_the_loss(lam: float) -> None:
    """Losses of single samples are computed by autograd, and their sum by the sweeps."""
    energy, x, found = network(), data(), []
    for reduction in ("sum", "none"):
        torch.manual_seed(0)
        loss = sm.score_matching_loss(energy, x, lam=lam, curvature="hutchinson", reduction=reduction).sum()
        found.append(twice(loss, list(energy.parameters())))
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("domain", ["positive", "simplex", "sphere"])
def test_bounded_domains(domain: Any) -> None:
    """The sweeps agree with autograd twice, and ``vmap`` with the losses of single samples."""
    energy, x = network(), data().abs()
    x = x / (x.sum(1) if domain == "simplex" else x.norm(dim=1))[:, None]
    parameters = list(energy.parameters())
    one, two = (
        twice(sm.score_matching_loss(model, x, domain=domain), parameters) for model in (energy, nn.Sequential(energy))
    )
    torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-12)
    each = vmap(lambda sample: sm.score_matching_loss(energy, sample[None], domain=domain))(x)
    expected = sm.score_matching_loss(energy, x, domain=domain, reduction="none")
    torch.testing.assert_close(each, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("wrapped", [False, True], ids=["graph", "module"])
def test_a_simplex_that_was_not_seen_before(wrapped: bool) -> None:
    """Its first use may be inside a transform."""
    energy, x = network(), data().abs()
    x = x / x.sum(1, keepdim=True)
    loss = sm.ScoreMatchingLoss(nn.Sequential(energy) if wrapped else energy, domain="simplex")
    parameters = {name: p.detach() for name, p in loss.named_parameters()}
    found = vmap(grad(lambda p, one: functional_call(loss, p, (one[None],))), (None, 0))(parameters, x)
    loss(x).backward()
    expected = [p.grad for p in energy.parameters()]
    torch.testing.assert_close([g.mean(0) for g in found.values()], expected, rtol=1e-10, atol=1e-12)


def test_a_change_before_the_second_derivative_is_noticed() -> None:
    energy, x = network(), data().requires_grad_()
    loss = sm.score_matching_loss(energy, x)
    with torch.no_grad():
        next(energy.parameters()).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, x, create_graph=True)


def test_compiled_modules_are_refused_by_losses() -> None:
    compiled = torch.compile(network(), backend="eager")
    torch.testing.assert_close(compiled(data()), network()(data()))
    for loss in (sm.score_matching_loss, sm.sliced_score_matching_loss):
        with pytest.raises(TypeError, match=r"pass the module itself, .* `with scorematching\.compiled\(\):`"):
            loss(compiled, data())
