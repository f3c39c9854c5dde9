"""Fields of experts: octaves, normalized filters, splines, and training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import scorematching as sm
from scorematching.energies import FieldOfExperts
from scorematching.priors import FieldPrior


@pytest.mark.parametrize("octaves", [1, 2, 3])
def test_the_diagonal_recursion_is_exact_for_any_number_of_octaves(octaves: int) -> None:
    energy = FieldOfExperts(4, 3, octaves=octaves, expert="spline").double()
    x = 3 * torch.randn(2, 1, 16, 20, dtype=torch.float64)
    assert sm.exactness_report(energy).exact
    found = sm.hessian_diagonal(energy, x, curvature="diagonal")
    torch.testing.assert_close(found, sm.hessian_diagonal(energy, x, curvature="full"), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("octaves", [1, 2, 3])
def test_filters_of_all_octaves_act_on_the_image(octaves: int) -> None:
    """Each position of the coarsest octave has several of the finer ones; the first of them is compared."""
    prior = FieldPrior(sm.FieldConfig(filters=8, size=3, octaves=octaves), noise=0.1).double()
    x, values = torch.randn(1, 1, 24, 28, dtype=torch.float64), {}
    for edge, layer in prior.energy.pairs():
        values[edge.target] = layer(values.get(edge.source, x))
    met = F.conv2d(x, prior.filters[:, None], stride=prior.block)
    for octave in range(octaves):
        first = values[f"responses{octave}"][..., :: prior.block // 2**octave, :: prior.block // 2**octave]
        torch.testing.assert_close(met[:, 8 * octave : 8 * octave + 8], first, rtol=1e-6, atol=1e-6)


def test_normalized_filters_have_zero_mean_and_unit_norm() -> None:
    noisy = np.random.default_rng(0).normal(0.5, 0.1, (64, 64)).astype(np.float32)
    training = sm.TrainingConfig(steps=3, crop=24)
    normalized, free = (sm.FieldConfig(5, 3, octaves=2, normalize_filters=wanted) for wanted in (True, False))
    prior = sm.fit([noisy], noise=0.1, model=normalized, training=training).prior
    torch.testing.assert_close(prior.filters.sum((1, 2)), torch.zeros(10), rtol=0, atol=1e-5)
    torch.testing.assert_close(prior.filters.square().sum((1, 2)), torch.ones(10), rtol=1e-5, atol=0)
    prior = sm.fit([noisy], noise=0.1, model=free, training=training).prior
    assert prior.filters.sum((1, 2)).abs().max() > 1e-4


def test_splines_trained_on_clean_images_rise_at_their_ends() -> None:
    """Rising ends keep the energy bounded below. Splines trained on noisy images are not constrained."""
    for noise in (None, 0.1):
        prior = FieldPrior(sm.FieldConfig(filters=8, size=3, expert="spline"), noise)
        weights = prior.energy.expert_layers[0].weight
        torch.nn.init.normal_(weights)
        before = weights.detach().clone()
        prior.constrain()
        far = torch.tensor([-1e4, 1e4])[:, None].expand(2, len(weights))
        assert bool((prior.energy.experts(far) > before.min() - 1).all()) == (noise is None)
        assert torch.equal(weights, before) == (noise is not None)


def test_a_spline_prior_of_clean_images_denoises_by_map(photograph: np.ndarray) -> None:
    model, training = sm.FieldConfig(filters=8, size=3, expert="spline"), sm.TrainingConfig(steps=150, crop=24)
    prior = sm.fit([photograph], noisy=False, model=model, training=training).prior
    noisy = (photograph / 255 + np.random.default_rng(0).normal(0, 0.05, photograph.shape)).astype(np.float32)
    before, after = (sm.psnr(photograph / 255, x) for x in (noisy, sm.denoise(noisy, 0.05, prior, data_range=1.0)))
    assert after > before + 3


@pytest.mark.parametrize("options", [{"octaves": 2, "normalize_filters": True}, {"expert": "spline"}])
def test_a_trained_field_denoises(photograph: np.ndarray, options: dict[str, Any]) -> None:
    clean = photograph.astype(np.float32) / 255
    noisy = (clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)).astype(np.float32)
    model, training = sm.FieldConfig(filters=8, size=3, **options), sm.TrainingConfig(steps=200, crop=24)
    prior = sm.fit([noisy], noise=0.1, model=model, training=training).prior
    assert sm.psnr(clean, sm.denoise(noisy, 0.1, prior, data_range=1.0)) > sm.psnr(clean, noisy) + 5
