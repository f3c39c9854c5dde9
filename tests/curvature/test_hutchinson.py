"""Hutchinson's and sliced estimates: unbiased, reproducible, and signs better than Gaussian probes."""

from __future__ import annotations

import pytest
import torch
from standard_errors import NETWORKS, check_mean, check_unbiased

import scorematching as sm
from scorematching.checks import brute_force
from scorematching.checks.cases import make_network
from scorematching.curvature import Hutchinson
from scorematching.curvature.probes import Distribution

pytestmark = pytest.mark.recorded


def seeded(seed: int, probes: int, distribution: Distribution = "rademacher") -> Hutchinson:
    return Hutchinson(probes, distribution, torch.Generator().manual_seed(seed))


@pytest.mark.filterwarnings("ignore::scorematching.losses.RepeatedValuesWarning")  # one sample, many probes
@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("distribution", ["rademacher", "gaussian"])
@pytest.mark.parametrize("name", NETWORKS)
def test_losses_and_gradients_are_unbiased(name: str, distribution: Distribution, lam: float) -> None:
    check_unbiased(name, seeded(0, 4, distribution), lam)


def test_the_square_of_one_estimate_would_be_biased() -> None:
    """``E (v_i (Hv)_i)^2`` is ``H_ii^2`` and the squares beside it: what a single probe would penalize."""
    energy, x, _ = make_network("three hidden layers")
    many = x[:1].expand(4000, -1)
    each = seeded(0, 1).derivatives(energy, many).d2.detach()
    h = brute_force(energy, x[:1])[1].detach()[0]
    check_mean(each.square(), h.square().sum(1))
    assert float(h.square().sum() / h.diagonal().square().sum()) > 1.1


def test_the_variance_of_the_trace_is_the_known_one() -> None:
    """``2 sum H_ij^2`` over ``i != j`` for random signs, over all ``i, j`` for Gaussian probes (Hutchinson, 1990)."""
    energy, x, _ = make_network("PoE, mixtures")
    many = x[:1].expand(20_000, -1)
    h = brute_force(energy, x[:1])[1].detach()[0]
    beside = h - torch.diag(h.diagonal())
    truths = {"rademacher": 2 * beside.square().sum(), "gaussian": 2 * h.square().sum()}
    for distribution, truth in truths.items():
        trace = seeded(0, 1, distribution).derivatives(energy, many).d2.detach().sum(1)
        torch.testing.assert_close(trace.var(), truth, rtol=0.06, atol=0)
    assert truths["rademacher"] < 0.9 * truths["gaussian"]


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("distribution", ["rademacher", "gaussian"])
def test_sliced_score_matching_is_unbiased(distribution: Distribution, lam: float) -> None:
    energy, x, _ = make_network("skip connection")
    many = x[:2].repeat_interleave(4000, 0)
    losses = sm.sliced_score_matching_loss(
        energy,
        many,
        lam=lam,
        distribution=distribution,
        generator=torch.Generator().manual_seed(0),
        reduction="none",
    )
    truth = sm.score_matching_loss(energy, x[:2], lam=lam, curvature="full", reduction="none").detach()
    check_mean(losses.detach().view(2, -1).T, truth)


def test_a_generator_makes_it_reproducible() -> None:
    energy, x, _ = make_network("NICE")
    one, two, three = (
        sm.score_matching_loss(energy, x, lam=0.1, curvature=seeded(seed, 2)).item() for seed in (0, 0, 1)
    )
    assert one == two != three


@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_a_recorded_loss_draws_new_probes_at_each_step(lam: float) -> None:
    """The probes are inputs of the program: with the same generator, each step is that of the usual run."""
    energy, x, _ = make_network("three hidden layers")
    losses = []
    for recorded in (False, True):
        method = seeded(0, 2)
        with sm.compiled(recorded, backend="eager"):
            losses.append([sm.score_matching_loss(energy, x, lam=lam, curvature=method).item() for _ in range(3)])
    assert losses[1] == pytest.approx(losses[0], rel=1e-12)
    assert len(set(losses[1])) == 3
