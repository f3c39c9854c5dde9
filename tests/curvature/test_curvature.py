"""Exact methods of curvature: against brute force, their sweeps one by one, planted faults, chunks, errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import scorematching as sm
from scorematching.checks import CheckError, brute_force, check_layer
from scorematching.checks.cases import NETWORKS, make_network
from scorematching.curvature import (
    Coloring,
    Curvature,
    ForwardJacobian,
    FullHessian,
    Hutchinson,
)
from scorematching.curvature.base import Derivatives
from scorematching.curvature.full import HessianState, hessian_sweep2, hessian_sweep3, hessian_sweep4, partner
from scorematching.layers import Layer, LogCosh, Softplus, Tanh
from scorematching.sweeps import sweep1, sweep2

pytestmark = pytest.mark.recorded

EXACT = {
    "auto": "auto",
    "full": "full",
    "jacobian": "jacobian",
    "coloring": "coloring",
    "full, in chunks": FullHessian(memory=1),
    "jacobian, in chunks": ForwardJacobian(memory=1),
    "coloring, in chunks": Coloring(memory=1),
}
DEEP = ["three hidden layers", "two convolutions", "residual", "shared layer", "parallel edges", "NICE"]


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("name", NETWORKS)
def test_exact_methods_agree_with_brute_force(name: str, method: str, lam: float) -> None:
    """The loss, and its gradient by every parameter and by the data."""
    energy, x, _ = make_network(name)
    errors = sm.check_gradients(energy, x, lam=lam, curvature=EXACT[method], tolerance=1e-9)
    assert {"loss", "x", *(n for n, _ in energy.named_parameters())} < set(errors)


@pytest.mark.parametrize("name", DEEP)
def test_the_sweeps_of_the_hessian_one_by_one(name: str) -> None:
    """Sweep 2 is the Hessian of every node; sweep 3 its adjoint; sweep 4 the gradient through both."""
    energy, x, _ = make_network(name)
    x.requires_grad_()

    def sweeps12() -> HessianState:
        state = HessianState(**vars(sweep1(energy, x)))
        sweep2(energy, state, curvature=False)
        hessian_sweep2(energy, state)
        return state

    state, pair = sweeps12(), (energy.input,) * 2
    true = brute_force(energy, x)[1]
    torch.testing.assert_close(state.h[pair].flatten(2), true, rtol=1e-10, atol=1e-12)
    a, g = torch.randn_like(x), torch.randn_like(true)
    g = (g + g.transpose(1, 2)).view_as(state.h[pair])
    value = (a * state.d["x"]).sum() + (g * state.h[pair]).sum()
    leaves = dict(energy.named_parameters())
    by_d = _gradients(value, {n: d for n, d in state.d.items() if n != "x"})
    by_h = _gradients(value, {p: h for p, h in state.h.items() if p != pair})
    oracle = torch.autograd.grad(value, [*leaves.values(), x])
    hessian_sweep3(energy, state, a, g)
    found = hessian_sweep4(energy, state)
    for node, expected in by_d.items():
        found_a = state.a[node].sum_to_size(expected.shape)  # of a batch of one, the sum over the samples it stands for
        torch.testing.assert_close(found_a, expected, rtol=1e-10, atol=1e-12)
    for (u, v), expected in by_h.items():
        # Sweep 2 writes half of what is symmetric: a block beside the diagonal stands for its transpose too.
        flat, found_flat = (t.reshape(*t.shape[:2], -1) for t in (expected, partner(energy, state, u, v)))
        whole = 0.5 * (flat + flat.transpose(1, 2)) if u == v else 0.5 * flat
        torch.testing.assert_close(found_flat, whole, rtol=1e-10, atol=1e-12)
    for name_, expected in zip([*leaves, "x"], oracle, strict=True):
        parts = [found[k] for k in found if _same(energy, k, name_)] if name_ != "x" else [state.c["x"]]
        torch.testing.assert_close(sum(parts[1:], parts[0]), expected, rtol=1e-10, atol=1e-12)


def _gradients(value: Tensor, at: dict) -> dict:
    """Gradients by those of the tensors that the value depends on."""
    asked = {key: tensor for key, tensor in at.items() if tensor.requires_grad}
    found = torch.autograd.grad(value, list(asked.values()), retain_graph=True, allow_unused=True)
    return {key: gradient for key, gradient in zip(asked, found, strict=True) if gradient is not None}


def _same(energy: sm.Graph, one: str, other: str) -> bool:
    return energy.get_parameter(one) is energy.get_parameter(other)


class _WrongPull(Tanh):
    def pull_columns(self, local: tuple, h: Tensor) -> Tensor:
        return super().pull_columns(local, h) * 1.001


class _WrongPush(Tanh):
    def push_columns(self, local: tuple, g: Tensor) -> Tensor:
        return super().push_columns(local, g) * 1.001


class _WrongPairing(Tanh):
    def pull_pairing(self, local: tuple, h: Tensor, g: Tensor) -> Tensor | None:
        return None


class _WrongOuter(sm.Linear):
    def pairing_gradients(self, local: tuple, h: Tensor, g: Tensor) -> dict[str, Tensor]:
        return {}


@pytest.mark.parametrize("wrong", [_WrongPull, _WrongPush, _WrongPairing, lambda: _WrongOuter(5, 5)])
def test_a_planted_wrong_rule_of_columns_is_found(wrong: Callable[[], Layer]) -> None:
    layer = wrong()
    with pytest.raises(CheckError, match="columns"):
        check_layer(layer, torch.randn(3, 5))
    ends = [sm.Linear(5, 5), Softplus(), sm.Sum()]
    hidden = [layer, Tanh()] if isinstance(layer, sm.Linear) else [layer]
    with pytest.raises(CheckError):
        sm.check_gradients(sm.Sequential(sm.Linear(4, 5), *hidden, *ends), torch.randn(3, 4), curvature="full")


def _peak_bytes(call: Callable[[], object]) -> int:
    """The largest number of bytes that tensors made by a call take at once, by the profiler of PyTorch."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    events = profiler.profiler.kineto_results.events()
    return max(itertools.accumulate(event.nbytes() for event in events if event.name() == "[memory]"))


@pytest.mark.parametrize("method", [FullHessian, ForwardJacobian, Coloring])
def test_chunks_hold_no_more_than_their_budget(method: Callable[..., Curvature]) -> None:
    """Measured, over a loss with its gradient: within the budget, which the whole batch exceeds."""
    energy = sm.Sequential(sm.Linear(24, 64), Tanh(), sm.Linear(64, 64), LogCosh(), sm.Sum())
    x, budget = torch.randn(64, 24), 1_000_000

    def step(memory: float) -> None:
        sm.score_matching_loss(energy, x, lam=0.1, curvature=method(memory=memory)).backward()

    step(budget)  # the gradients of the parameters, and what is measured once, are there before
    assert _peak_bytes(lambda: step(budget)) < 1.2 * budget
    assert _peak_bytes(lambda: step(1e9)) > 2 * budget


def test_a_chunked_loss_is_that_of_the_whole() -> None:
    """Whichever the budget; parameters replaced by functional_call are seen."""
    energy, x, _ = make_network("three hidden layers")
    loss = sm.ScoreMatchingLoss(energy, lam=0.1, curvature=ForwardJacobian(memory=3000))
    leaves = {n: p.detach().clone().mul(1.1).requires_grad_() for n, p in loss.named_parameters()}
    found = torch.autograd.grad(torch.func.functional_call(loss, leaves, x), list(leaves.values()))
    with torch.no_grad():
        for parameter in energy.parameters():
            parameter.mul_(1.1)
    sm.score_matching_loss(energy, x, lam=0.1, curvature="jacobian").backward()
    for one, parameter in zip(found, energy.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad)


def test_a_method_of_ones_own() -> None:
    class Twice(Curvature):
        def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
            d, d2, _ = FullHessian().derivatives(energy, x, squared)
            return Derivatives(d, 2 * d2)

    energy, x, _ = make_network("NICE")
    torch.testing.assert_close(sm.hessian_diagonal(energy, x, Twice()), 2 * sm.hessian_diagonal(energy, x))


def _loss(**options: object) -> Callable[[sm.Graph, Tensor], Tensor]:
    return lambda e, x: sm.score_matching_loss(e, x, lam=0.1, **options)


BAD = {
    "memory": (lambda e, x: FullHessian(memory=-1), "memory must be a number above 0, got -1"),
    "memory not given in bytes": (
        lambda e, x: Coloring(memory="1GB"),
        "memory must be a number, got '1GB'",
    ),
    "small field": (
        lambda e, x: sm.hessian_diagonal(make_network("FoE")[0], make_network("FoE")[1], Coloring(field=(1, 3))),
        r"field must be \(3, 3\) or more for this energy, got \(1, 3\)",
    ),
    "dropout": (
        lambda e, x: sm.score(nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.Linear(3, 1)), x),
        "1 draws random numbers",
    ),
    "shape": (lambda e, x: sm.exactness_report(e, 4), r"shape must be the shape of one sample.*got 4"),
    "batch": (lambda e, x: sm.exactness_report(e, batch=0), "batch must be an integer of 1 or more, got 0"),
    "one probe": (_loss(curvature=Hutchinson(probes=1)), "lam > 0 needs probes of 2 or more, got 1"),
    "probes": (lambda e, x: Hutchinson(probes=0), "probes must be an integer of 1 or more, got 0"),
    "distribution": (
        lambda e, x: Hutchinson(distribution="uniform"),
        "'rademacher' or 'gaussian', got 'uniform'",
    ),
    "field": (_loss(curvature=Coloring(field=(3, 3))), r"field must be a tuple of 0 integers.*got \(3, 3\)"),
    "sigma": (lambda e, x: sm.denoising_score_matching_loss(e, x, 0.0), "sigma must be a number above 0, got 0.0"),
    "energies": (lambda e, x: sm.score(nn.Linear(4, 2), x), r"one energy per sample, shape \(2,\), got \(2, 2\)"),
    "batch norm": (
        lambda e, x: sm.score(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 1)), x),
        r"0 normalizes over the batch, .* call energy.eval\(\)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call(sm.Sequential(sm.Linear(4, 6), sm.StudentT(), sm.WeightedSum(6)), torch.randn(2, 4))
