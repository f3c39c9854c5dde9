"""Priors of images with correlated noise: their loss, Tweedie's formula, Stein's estimate and files."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_models import DEEP, FIELD
from standard_errors import check_mean
from torch import Tensor

import scorematching as sm
from scorematching.energies import with_metric
from scorematching.priors import Crops, DeepPrior, FieldPrior, TrainedNoise, tweedie
from scorematching.priors.stein_risk import stein_error

CORRELATION = torch.tensor([[0.2, 0.4, 0.0], [0.4, 1.0, 0.4], [0.0, 0.4, 0.2]], dtype=torch.float64)
NOISE = TrainedNoise(0.1, correlation=CORRELATION)


def noise_like(planes: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of level 0.1 that neighbors share."""
    kernel = torch.tensor([[0.5, 1.0], [1.0, 0.5]], dtype=torch.float64)
    white = torch.randn(len(planes), 1, *(n + 1 for n in planes.shape[2:]), generator=generator, dtype=torch.float64)
    return 0.1 * F.conv2d(white, kernel[None, None]) / kernel.norm()


#: Autocovariance of :func:`noise_like`.
SMOOTH = TrainedNoise.with_autocovariance(
    0.01 / 2.5 * torch.tensor([[0.25, 1.0, 1.0], [1.0, 2.5, 1.0], [1.0, 1.0, 0.25]], dtype=torch.float64)
)


def crops(pixels: Tensor, added: Tensor | None = None) -> Crops:
    return Crops(pixels, torch.ones(len(pixels), dtype=pixels.dtype), torch.zeros(0) if added is None else added)


@pytest.mark.parametrize("octaves", [1, 2])
def test_the_loss_of_a_field_has_the_metric(octaves: int) -> None:
    """At the pixels whose noise is shared only with pixels whose filters all fit into the crop."""
    config = sm.FieldConfig(filters=8, size=3, octaves=octaves)
    prior, pixels = FieldPrior(config, NOISE).double(), torch.rand(3, 1, 24, 24, dtype=torch.float64)
    border = {1: 3, 2: 6}[octaves]
    weight = F.pad(torch.ones(1, 24 - 2 * border, 24 - 2 * border, dtype=torch.float64), [border] * 4)
    expected = sm.score_matching_loss(with_metric(prior.energy, CORRELATION), pixels / 0.1, weight=weight)
    torch.testing.assert_close(prior.loss(crops(pixels), 0.0), expected / weight.sum(), rtol=1e-10, atol=0)
    assert prior.min_crop == 2 * (border + prior.block)
    white = FieldPrior(config, 0.1).double()
    white.load_state_dict(prior.state_dict())
    assert not torch.isclose(white.loss(crops(pixels), 0.0), prior.loss(crops(pixels), 0.0), rtol=1e-2)


def test_the_loss_of_a_deep_prior_is_unbiased() -> None:
    """By probes, and by known noise of the same correlation that was added."""
    prior, pixels = DeepPrior(DEEP, SMOOTH).double(), torch.full((4000, 1, 8, 8), 0.5, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    noise = noise_like(pixels, generator)
    batches = (crops(pixels + noise, noise), crops(pixels + noise))
    by_noise, by_probes = (float(prior.loss(batch, 0.0).detach()) for batch in batches)
    energy = with_metric(prior._bordered[0], torch.tensor(SMOOTH.correlation, dtype=torch.float64))
    x = (pixels[:50] + noise[:50]) / prior.unit
    draws = torch.stack([prior.loss(crops(pixels[:50] + noise[:50]), 0.0, generator) for _ in range(200)])
    check_mean(draws.detach()[:, None], (sm.score_matching_loss(energy, x, curvature="full") / 64).detach()[None])
    assert by_noise == pytest.approx(by_probes, rel=0.05)


def test_tweedies_formula_has_the_covariance() -> None:
    prior, y = FieldPrior(FIELD, NOISE).double(), torch.rand(2, 1, 20, 24, dtype=torch.float64)
    score = prior.score(y)
    expected = y + 0.01 * F.conv2d(score, CORRELATION[None, None], padding=1)
    torch.testing.assert_close(tweedie(y, 0.1, prior), expected, rtol=1e-10, atol=1e-12)
    contrasted = 2 * tweedie(y / 2, 0.05, prior)  # the same image at half the contrast
    torch.testing.assert_close(contrasted, expected, rtol=1e-10, atol=1e-12)


def test_steins_estimate_is_the_error() -> None:
    """For noise with the correlation of the prior; the estimate for white noise is far off."""
    prior = FieldPrior(FIELD, SMOOTH).double()
    generator = torch.Generator().manual_seed(0)
    clean = torch.full((64, 1, 32, 32), 0.5, dtype=torch.float64)
    noisy = clean + noise_like(clean, generator)
    errors = (tweedie(noisy, 0.1, prior) - clean).square().mean((1, 2, 3))
    estimates = torch.tensor([stein_error(y[None], 0.1, prior, generator) for y in noisy], dtype=torch.float64)
    check_mean((estimates - errors.detach())[:, None], torch.zeros(1, dtype=torch.float64))
    white = FieldPrior(FIELD, 0.1).double()
    wrong = torch.tensor([stein_error(y[None], 0.1, white, generator) for y in noisy], dtype=torch.float64)
    truth = (tweedie(noisy, 0.1, white) - clean).square().mean((1, 2, 3))
    assert abs(float((wrong - truth).mean())) > 10 * abs(float((estimates - errors).mean()))


def test_copies_files_and_precision_keep_the_correlation(path: Path) -> None:
    prior = FieldPrior(FIELD, NOISE)
    sm.save_prior(prior, path)
    pixels = torch.rand(2, 1, 20, 20)
    for other in (sm.load_prior(path), copy.deepcopy(prior)):
        assert other.noise == NOISE
        assert torch.equal(other.loss(crops(pixels), 0.0), prior.loss(crops(pixels), 0.0))
    before = prior.loss(crops(pixels), 0.0).item()
    assert prior.double().loss(crops(pixels.double()), 0.0).item() == pytest.approx(before, rel=1e-4)


def test_an_autocovariance_gives_level_and_correlation() -> None:
    noise = TrainedNoise.with_autocovariance(0.04 * CORRELATION)
    assert (noise.sigma, noise.reach, noise.range) == (0.2, 1, (0.2, 0.2))
    torch.testing.assert_close(noise.kernel[0, 0], CORRELATION, rtol=1e-9, atol=1e-12)  # type: ignore[index]
    planes = torch.rand(1, 1, 4, 4)
    assert TrainedNoise(0.1).correlated(planes) is planes


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TrainedNoise(0.1, correlation=2 * CORRELATION), "mean variance of 1, got 2"),
        (lambda: TrainedNoise(0.1, correlation=[[1.0, 1.0]]), "pass a square"),
        (lambda: TrainedNoise.with_autocovariance(0 * CORRELATION), "mean variance above 0, got 0"),
        (lambda: DeepPrior(sm.DeepConfig(channels=4, depth=2, color=True), NOISE), r"pass shape \(3, 3, k, k\)"),
    ],
)
def test_what_does_not_fit_is_refused(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
