"""Deep priors: one energy with and without borders, random probes that can be repeated, learning."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

import scorematching as sm
from scorematching.curvature import FullHessian
from scorematching.images.photographs import held_out_photograph
from scorematching.priors.deep import DeepPrior
from scorematching.priors.kinds import build_prior

SIZES = {"model": "deep", "filters": 8, "depth": 2, "crop": 24, "batch": 4}


@pytest.fixture
def deep(info: sm.priors.PriorInfo) -> DeepPrior:
    prior = build_prior(info.replace(model="deep", depth=4))
    assert isinstance(prior, DeepPrior)
    return prior


def test_far_from_the_border_both_energies_have_one_gradient(deep: DeepPrior) -> None:
    deep.double()
    x, m = torch.randn(1, 1, 40, 44, dtype=torch.float64), deep.margin
    inner, bordered = sm.score(deep.energy, x), sm.score(deep._bordered[0], x)
    torch.testing.assert_close(inner[..., m:-m, m:-m], bordered[..., m:-m, m:-m], rtol=1e-10, atol=1e-12)
    assert not torch.allclose(inner, bordered)


def test_the_energy_with_borders_keeps_the_same_parameters(deep: DeepPrior) -> None:
    """Whatever is done to the prior: another precision, a copy, a step of an optimizer."""
    for prior in (deep, deep.double(), copy.deepcopy(deep)):
        own, other = dict(prior.energy.named_parameters()), dict(prior._bordered[0].named_parameters())
        assert all(other[name] is own[name] for name in own)
    assert len(list(deep.parameters())) == 8
    assert copy.deepcopy(deep).energy.layers[1].weight is not deep.energy.layers[1].weight


def test_brightness_bears_no_energy(deep: DeepPrior) -> None:
    deep.constrain()
    planes = torch.rand(1, 1, 30, 30)
    torch.testing.assert_close(deep.score(planes + 0.3), deep.score(planes), rtol=1e-3, atol=1e-3)


def test_the_loss_is_an_estimate_of_the_exact_one(deep: DeepPrior) -> None:
    x = torch.randn(1, 1, 8, 8).mul(deep.info.unit).expand(2000, -1, -1, -1)
    truth = sm.score_matching_loss(deep._bordered[0], x[:1] / deep.info.unit, curvature="full") / 64
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([deep.loss(x[:100], generator).detach() for _ in range(20)])
    assert abs(draws.mean() - truth) < 4 * draws.std() / 20**0.5


def test_with_less_noise_the_loss_is_steins(deep: DeepPrior) -> None:
    """``1/2 |d|^2 - noise^2 tr H``: each crop by its own share."""
    x, noise = torch.randn(2, 1, 8, 8).mul(deep.info.unit), torch.tensor([0.3, 0.8])
    found = FullHessian().derivatives(deep._bordered[0], x / deep.info.unit)
    truth = (0.5 * found.d.square() - noise.square()[:, None, None, None] * found.d2).sum() / 2 / 64
    generator, many = torch.Generator().manual_seed(0), x.repeat(50, 1, 1, 1)
    draws = torch.stack([deep.loss(many, generator, noise.repeat(50)).detach() for _ in range(20)])
    assert abs(draws.mean() - truth) < 4 * draws.std() / 20**0.5
    assert abs(draws.mean() - deep.loss(many, generator)) > 20 * draws.std() / 20**0.5


def test_blind_training_is_for_crops_with_less_noise_than_told() -> None:
    """Told three times the noise, a blind prior takes away less of the image than one that trusts the level."""
    clean = held_out_photograph("camera")[100:228, 200:328].astype(np.float32)
    noisy = (clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)).astype(np.float32)
    error = {}
    for blind in (False, True):
        options = {**SIZES, "filters": 16, "depth": 4, "steps": 300, "batch": 8, "blind": blind}
        prior = sm.fit([noisy], sigma=0.1, noisy=True, **options).prior
        error[blind] = np.square(sm.denoise(noisy, 0.3, prior, data_range=1.0) - clean).mean()
    assert error[True] < 0.9 * error[False]
    with pytest.raises(ValueError, match="blind is for deep priors"):
        sm.fit([noisy], sigma=0.1, noisy=True, blind=True)


def test_a_deep_prior_learns_to_denoise_from_one_noisy_image() -> None:
    """It gains several dB, about as many as Stein's estimate and the clean image say."""
    clean = held_out_photograph("camera")[60:316, 120:376].astype(np.float32)
    noisy = (clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)).astype(np.float32)
    result = sm.fit([noisy], sigma=0.1, noisy=True, steps=150, clean=[clean], **{**SIZES, "filters": 16, "depth": 4})
    assert sm.psnr(clean, sm.denoise(noisy, 0.1, result.prior, data_range=1.0)) > 24.5
    assert result.psnr is not None
    assert result.expected_psnr == pytest.approx(result.psnr, abs=0.7)


def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    noisy = np.random.default_rng(0).normal(128, 25, (64, 64)).astype(np.float32)
    options = {"sigma": 25, "noisy": True, "data_range": 255, "steps": 12, **SIZES}
    whole = sm.fit([noisy], **options).prior

    class StoppedError(Exception):
        pass

    def stop(state: sm.training.Progress) -> None:
        if state.step == 10:
            raise StoppedError

    checkpoint = tmp_path / "training"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scorematching.training.trainer.SECONDS_BETWEEN_SAVES", 0.0)
        with pytest.raises(StoppedError):
            sm.fit([noisy], **options, checkpoint=checkpoint, progress=stop)
    resumed = sm.fit([noisy], **options, checkpoint=checkpoint).prior
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_images_of_several_noise_levels_are_brought_to_one() -> None:
    clean = held_out_photograph("camera").astype(np.float32)
    levels = [0.04, 0.08]
    noisy = [clean[:160] + np.random.default_rng(i).normal(0, s, (160, clean.shape[1])) for i, s in enumerate(levels)]
    info = sm.fit(noisy, sigma=levels, noisy=True, steps=1, **SIZES).prior.info
    assert (info.sigma, info.levels) == (pytest.approx(0.06), (0.04, 0.08))
    found = sm.fit(noisy, noisy=True, steps=1, **SIZES).prior.info.levels
    assert found == pytest.approx(tuple(levels), rel=0.15)
    with pytest.raises(ValueError, match="one an image: got 3 for 2 images"):
        sm.fit(noisy, sigma=[0.1] * 3, noisy=True, **SIZES)
