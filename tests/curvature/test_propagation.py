"""Curvature propagation: unbiased, reproducible, and another estimate than Hutchinson's."""

from __future__ import annotations

import pytest
import torch
from standard_errors import NETWORKS, check_unbiased

import scorematching as sm
from scorematching.checks.cases import make_network
from scorematching.curvature import CurvaturePropagation

pytestmark = pytest.mark.recorded


def seeded(seed: int, probes: int) -> CurvaturePropagation:
    return CurvaturePropagation(probes, torch.Generator().manual_seed(seed))


@pytest.mark.filterwarnings("ignore::scorematching.losses.RepeatedValuesWarning")  # one sample, many probes
@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("name", NETWORKS)
def test_losses_and_gradients_are_unbiased(name: str, lam: float) -> None:
    check_unbiased(name, seeded(0, 4), lam)


def test_the_variance_of_the_trace_is_the_known_one() -> None:
    """For one layer of units with curvatures ``m``: that of ``v·(B v)``, and not that of Hutchinson's estimate.

    With filters ``W`` and ``A = W^T diag |m|^(1/2)``, ``B`` is the symmetric part of ``diag(sign m) A^T A``.
    """
    torch.manual_seed(0)
    energy = sm.Sequential(sm.Linear(4, 6), sm.layers.Sin(), sm.Sum()).double()
    x = torch.randn(1, 4, dtype=torch.float64)
    weight = energy.layers[0].weight.detach()
    m = -torch.sin(energy.layers[0](x).detach()[0])
    gram = m.abs().sqrt().outer(m.abs().sqrt()) * (weight @ weight.T)
    b = m.sign()[:, None] * gram
    b = 0.5 * (b + b.T)
    truth = 2 * (b - torch.diag(b.diagonal())).square().sum()
    trace = seeded(0, 1).derivatives(energy, x.expand(20_000, -1)).d2.detach().sum(1)
    torch.testing.assert_close(trace.var(), truth, rtol=0.06, atol=0)
    h = weight.T @ (m[:, None] * weight)
    hutchinson = 2 * (h - torch.diag(h.diagonal())).square().sum()
    assert abs(truth / hutchinson - 1) > 0.2


def test_a_generator_makes_it_reproducible() -> None:
    energy, x, _ = make_network("NICE")
    one, two, three = (
        sm.score_matching_loss(energy, x, lam=0.1, curvature=seeded(seed, 2)).item() for seed in (0, 0, 1)
    )
    assert one == two != three
