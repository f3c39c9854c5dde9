"""What every noise model does: it simulates its own moments, and its residual has variance 1."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from scorematching.noise import (
    ChannelNoise,
    CorrelatedNoise,
    GaussianNoise,
    ModulatedNoise,
    NoiseMap,
    NoiseModel,
    PoissonGaussianNoise,
    as_noise_model,
)

SIDE = 500
#: Autocovariance of white noise of variance 1 that was averaged over squares of 2 pixels, times 4.
TRIANGLE = np.outer([0.5, 1.0, 0.5], [0.5, 1.0, 0.5])
#: Models, a clean pixel, and the variance there.
MODELS: dict[str, tuple[NoiseModel, float, float]] = {
    "white": (GaussianNoise(25), 128.0, 25.0**2),
    "photons": (PoissonGaussianNoise(gain=2.0), 60.0, 2.0 * 60),
    "photons and read noise": (PoissonGaussianNoise(gain=3.5, offset=100.0, sigma=7.0), 170.0, 3.5 * 70 + 7.0**2),
    "one channel": (ChannelNoise((4.0,)), 128.0, 16.0),
    "map": (NoiseMap(np.full((SIDE, SIDE), 3.0)), 128.0, 9.0),
    "correlated": (CorrelatedNoise(9 * TRIANGLE), 128.0, 9.0),
    "correlated photons": (ModulatedNoise(PoissonGaussianNoise(2.0), CorrelatedNoise(TRIANGLE)), 60.0, 2.0 * 60),
}


@pytest.fixture(params=MODELS)
def case(request: pytest.FixtureRequest) -> tuple[NoiseModel, float, float]:
    return MODELS[request.param]


def test_simulated_pixels_have_the_mean_and_the_variance(case: tuple[NoiseModel, float, float]) -> None:
    model, pixel, variance = case
    noisy = model.simulate(np.full((SIDE, SIDE), pixel), seed=1)
    assert noisy.dtype == np.float64
    assert noisy.mean() == pytest.approx(pixel, abs=4 * math.sqrt(variance) / SIDE)
    assert noisy.var() == pytest.approx(variance, rel=0.02)
    assert model.variance(np.full((2, 2), pixel) if not isinstance(model, NoiseMap) else noisy)[0, 0] == pytest.approx(
        variance
    )


def test_residuals_have_mean_0_and_variance_1(case: tuple[NoiseModel, float, float]) -> None:
    model, pixel, _ = case
    clean = np.linspace(pixel, 1.5 * pixel, SIDE**2).reshape(SIDE, SIDE)
    residual = model.residual(model.simulate(clean, seed=2), clean)
    assert residual.mean() == pytest.approx(0, abs=4 / SIDE)
    assert residual.var() == pytest.approx(1, abs=0.02)


def test_the_same_seed_gives_the_same_noise(case: tuple[NoiseModel, float, float]) -> None:
    model, pixel, _ = case
    clean = np.full((SIDE, SIDE), pixel)
    first, second, other = (model.simulate(clean, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_models_are_values_that_print_in_words(case: tuple[NoiseModel, float, float]) -> None:
    model = case[0]
    assert as_noise_model(model) is model
    assert dataclasses.replace(model) == model
    assert model != GaussianNoise(1)
    assert "(" not in str(model)
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.sigma = 1.0
