"""Second differences by tangents: their sweeps against automatic differentiation, and the estimates made of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import scorematching as sm
from scorematching.checks import CheckError, brute_force
from scorematching.checks.cases import NETWORKS, make_network
from scorematching.curvature import Hutchinson
from scorematching.curvature.tangents import identity, tangent_gradients, tangent_sweeps
from scorematching.layers import Layer, LogCosh, Softplus, Tanh


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_sweeps_of_the_tangents(name: str, shared: bool) -> None:
    """``v·(H v)`` by brute force; sweeps 3 and 4 are its derivatives, by all parameters and the data."""
    energy, x, _ = make_network(name)
    x.requires_grad_()
    v = torch.randn(1 if shared else len(x), 2, *x.shape[1:], dtype=x.dtype)
    slopes, a = torch.randn(len(x), 2, dtype=x.dtype), torch.randn_like(x)
    state, curved = tangent_sweeps(energy, x, v)
    flat = v.flatten(2).expand(len(x), -1, -1)
    hessian = brute_force(energy, x)[1]
    torch.testing.assert_close(curved, torch.einsum("nki,nij,nkj->nk", flat, hessian, flat), rtol=1e-10, atol=1e-12)
    leaves = {**dict(energy.named_parameters()), "x": x}
    value = (a * state.d[energy.input]).sum() + (slopes * curved).sum()
    oracle = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, retain_graph=True)
    found = tangent_gradients(energy, state, a, slopes, by_data=True)
    for (leaf, tensor), expected in zip(leaves.items(), oracle, strict=True):
        parts = [g for n, g in found.items() if energy.get_parameter(n) is tensor] if leaf != "x" else [state.c["x"]]
        if expected is None:
            assert not any(part.any() for part in parts)
            continue
        torch.testing.assert_close(sum(parts[1:], parts[0]), expected, rtol=1e-10, atol=1e-12)


def test_the_unit_vectors_give_the_diagonal() -> None:
    energy, x, _ = make_network("residual")
    _, diagonal = tangent_sweeps(energy, x, identity(x))
    torch.testing.assert_close(diagonal, brute_force(energy, x)[1].diagonal(dim1=1, dim2=2), rtol=1e-10, atol=1e-12)


class _WrongPush(Tanh):
    def push_columns(self, local: tuple, g: Tensor) -> Tensor:
        return super().push_columns(local, g) * 1.001


class _WrongPull(Tanh):
    def pull_columns(self, local: tuple, h: Tensor) -> Tensor:
        return super().pull_columns(local, h) * 1.001


class _WrongPairing(Tanh):
    def pull_pairing(self, local: tuple, h: Tensor, g: Tensor) -> Tensor | None:
        return None


@pytest.mark.parametrize("wrong", [_WrongPush, _WrongPull, _WrongPairing])
def test_a_planted_wrong_rule_is_found(wrong: type[Layer]) -> None:
    layers = [
        sm.Linear(4, 5),
        wrong(),
        sm.Linear(5, 5),
        LogCosh(),
        sm.Linear(5, 5),
        Softplus(),
        sm.Sum(),
    ]
    with pytest.raises(CheckError):
        sm.check_gradients(sm.Sequential(*layers), torch.randn(3, 4), curvature="jacobian")


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("name", NETWORKS)
def test_one_loss_of_random_probes_however_it_is_reduced(name: str, lam: float) -> None:
    """With the same probes, the losses one by one have the mean, and its gradient, of the swept one."""
    energy, x, _ = make_network(name)
    leaves = [*energy.parameters(), x.requires_grad_()]
    results = []
    for reduction in ("mean", "none"):
        probes = Hutchinson(2, generator=torch.Generator().manual_seed(3))
        loss = sm.score_matching_loss(energy, x, lam=lam, curvature=probes, reduction=reduction).mean()
        results.append([loss, *torch.autograd.grad(loss, leaves, materialize_grads=True, allow_unused=True)])
    for swept, plain in zip(*results, strict=True):
        torch.testing.assert_close(swept, plain, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("of_each", [False, True])
def test_weights_of_the_inputs_leave_the_estimate_unbiased(of_each: bool) -> None:
    energy, x, _ = make_network("three hidden layers")
    weight = torch.rand((2, 4) if of_each else (4,), dtype=x.dtype)
    truth = sm.score_matching_loss(energy, x[:2], lam=0.0, curvature="full", weight=weight)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        draws = torch.stack(
            [
                sm.score_matching_loss(
                    energy, x[:2], lam=0.0, curvature=Hutchinson(50, generator=generator), weight=weight
                )
                for _ in range(100)
            ]
        )
    assert abs(draws.mean() - truth) <= 4 * draws.std() / 10


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("method", ["auto", "full", "jacobian", "coloring", "hutchinson", "propagation"])
def test_a_loss_leaves_the_parameters_where_they_are(method: str, recorded: bool) -> None:
    """A layer that stands at several places is put back as it was."""
    energy, x, _ = make_network("shared layer")
    before = dict(energy.named_parameters())
    with sm.compiled(recorded, backend="eager"):
        loss = sm.score_matching_loss(energy, x, lam=0.3, curvature=method)
    loss.backward()
    after = dict(energy.named_parameters())
    assert before.keys() == after.keys()
    assert all(after[name] is before[name] and before[name].grad is not None for name in before)
