"""Fields of experts: octaves, normalized filters, splines, and training."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_models import FIELD, short, with_noise

import scorematching as sm
from scorematching.energies import FieldOfExperts
from scorematching.priors import FieldPrior

LEVEL = 0.1


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
    prior = FieldPrior(dataclasses.replace(FIELD, octaves=octaves), LEVEL).double()
    x, values = torch.randn(1, 1, 24, 28, dtype=torch.float64), {}
    for edge, layer in prior.energy.pairs():
        values[edge.target] = layer(values.get(edge.source, x))
    responses = F.conv2d(x, prior.filters[:, None], stride=prior.block)
    for octave in range(octaves):
        first = values[f"responses{octave}"][..., :: prior.block // 2**octave, :: prior.block // 2**octave]
        torch.testing.assert_close(responses[:, 8 * octave : 8 * octave + 8], first, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("normalize", [True, False])
def test_only_normalized_filters_have_zero_mean_and_unit_norm(normalize: bool) -> None:
    noisy = with_noise(np.full((64, 64), 0.5), LEVEL)
    model = sm.FieldConfig(filters=5, size=3, octaves=2, normalize_filters=normalize)
    filters = sm.fit([noisy], noise=LEVEL, model=model, training=short(3, crop=24)).prior.filters.detach()
    means, norms = filters.sum((1, 2)), filters.square().sum((1, 2))
    assert (float(means.abs().max()) < 1e-5) == normalize
    assert (float((norms - 1).abs().max()) < 1e-5) == normalize


@pytest.mark.parametrize("noise", [None, LEVEL])
def test_only_splines_for_clean_images_rise_at_their_ends(noise: float | None) -> None:
    """Rising ends keep the energy bounded below. Splines for noisy images are not constrained."""
    prior = FieldPrior(dataclasses.replace(FIELD, expert="spline"), noise)
    weights = prior.energy.expert_layers[0].weight
    torch.nn.init.normal_(weights)
    before = weights.detach().clone()
    prior.constrain()
    far = torch.tensor([-1e4, 1e4])[:, None].expand(2, len(weights))
    assert bool((prior.energy.experts(far) > before.min() - 1).all()) == (noise is None)
    assert torch.equal(weights, before) == (noise is not None)


def test_a_spline_prior_of_clean_images_denoises_by_map(photograph: np.ndarray) -> None:
    model = dataclasses.replace(FIELD, expert="spline")
    training = short(150, batch=16, crop=24)
    prior = sm.fit([photograph], noisy=False, model=model, training=training).prior
    clean = photograph / 255
    noisy = with_noise(clean, 0.05)
    assert sm.psnr(clean, sm.denoise(noisy, 0.05, prior, data_range=1.0)) > sm.psnr(clean, noisy) + 3


@pytest.mark.parametrize("options", [{"octaves": 2, "normalize_filters": True}, {"expert": "spline"}])
def test_a_trained_field_denoises(photograph: np.ndarray, options: dict[str, object]) -> None:
    clean = photograph.astype(np.float32) / 255
    noisy = with_noise(clean, LEVEL)
    model = dataclasses.replace(FIELD, **options)
    prior = sm.fit([noisy], noise=LEVEL, model=model, training=short(200, batch=16, crop=24)).prior
    assert sm.psnr(clean, sm.denoise(noisy, LEVEL, prior, data_range=1.0)) > sm.psnr(clean, noisy) + 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 9, "size": 3}, "filters must be an integer from 1 to 8, got 9"),
        ({"filters": 4, "octaves": 2, "size": 6}, "odd size, got size 6 and 2 octaves"),
        ({"expert": "tanh"}, "'student-t' or 'spline', got 'tanh'"),
        ({"scales": (1.0,), "expert": "spline"}, "scales are an option of 'student-t' experts"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FieldOfExperts(**options)
