"""``curvature_report``: errors compared with the full Hessian, and biases with the losses themselves."""

from __future__ import annotations

import pytest
import torch

import scorematching as sm
from scorematching.checks.cases import NETWORKS, make_network
from scorematching.curvature.full import HessianState, hessian_sweep2
from scorematching.sweeps import sweep1, sweep2

pytestmark = pytest.mark.recorded


@pytest.mark.parametrize("name", NETWORKS)
def test_the_error_of_each_node_agrees_with_its_hessian_block(name: str) -> None:
    energy, x, exact = make_network(name)
    report = sm.curvature_report(energy, x, 0.1)
    with torch.no_grad():
        state = HessianState(**vars(sweep1(energy, x)))
        sweep2(energy, state)
        hessian_sweep2(energy, state)
    unsure = {node.name for node in sm.exactness_report(energy, tuple(x.shape[1:])).nodes if not node.exact}
    assert set(report.errors) == unsure | {"x"}
    for node, (error, _) in report.errors.items():
        block = state.h[node, node]
        true = block.reshape(*block.shape[:2], -1).diagonal(dim1=1, dim2=2).reshape(state.d2[node].shape)
        expected = float((state.d2[node] - true).norm() / true.norm())
        assert error == pytest.approx(expected, rel=1e-8, abs=1e-12)
        assert (error < 1e-12) == exact


@pytest.mark.filterwarnings("ignore::scorematching.curvature.ApproximationWarning")
@pytest.mark.parametrize("name", ["three hidden layers", "NICE", "FoE"])
def test_the_report_agrees_with_losses_and_gradients(name: str) -> None:
    energy, x, exact = make_network(name)
    report = sm.curvature_report(energy, x, 0.1)
    found = []
    for method, expected in (("full", report.loss), ("diagonal", report.diagonal_loss)):
        loss = sm.score_matching_loss(energy, x, lam=0.1, curvature=method)
        assert float(loss.detach()) == pytest.approx(expected, rel=1e-10)
        found.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(energy.parameters()))]))
    error = float((found[1] - found[0]).norm() / found[0].norm())
    assert report.gradient_error == pytest.approx(error, rel=1e-6, abs=1e-9)
    assert (error < 1e-9) == exact
    assert report.gradient_cosine == pytest.approx(float(torch.cosine_similarity(*found, dim=0)), rel=1e-8)
    assert f"off by {error:.2%} of its norm" in str(report)
    assert "leads to" in str(report)


def test_the_energy_is_not_changed() -> None:
    energy, x, _ = make_network("residual")
    before = [p.detach().clone() for p in energy.parameters()]
    sm.curvature_report(energy, x)
    assert all(torch.equal(p, q) for p, q in zip(energy.parameters(), before, strict=True))
    assert all(p.grad is None for p in energy.parameters())


def test_bad_input_is_refused() -> None:
    energy, x, _ = make_network("residual")
    with pytest.raises(TypeError, match="curvature_report needs a scorematching Graph or Sequential, got Linear"):
        sm.curvature_report(torch.nn.Linear(4, 1).double(), x)
    with pytest.raises(ValueError, match=r"Linear on edge 0 .*expected shape \(N, 4\)"):
        sm.curvature_report(energy, x[:, :3])
