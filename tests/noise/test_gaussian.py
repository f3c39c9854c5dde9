"""White Gaussian noise, and the numbers that stand for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorematching.noise import GaussianNoise, PoissonGaussianNoise, as_noise_model, white_level


def test_simulated_noise_is_white_with_the_given_level() -> None:
    clean = np.linspace(0, 255, 90_000).reshape(300, 300)
    noise = GaussianNoise(25)
    noisy = noise.simulate(clean, seed=3)
    residual = noise.residual(noisy, clean)
    assert residual.std() == pytest.approx(1, abs=0.01)
    assert residual.mean() == pytest.approx(0, abs=0.015)
    assert (residual[:, 1:] * residual[:, :-1]).mean() == pytest.approx(0, abs=0.015)
    np.testing.assert_array_equal(noise.simulate(clean, seed=3), noisy)
    assert not np.array_equal(noise.simulate(clean, seed=4), noisy)


def test_the_stabilizer_is_the_identity_at_the_level_for_white_at_1() -> None:
    stabilizer, planes = GaussianNoise(51).stabilizer(255), torch.rand(1, 1, 3, 4)
    assert stabilizer.level == 0.2
    assert all(step(planes) is planes for step in (stabilizer.forward, stabilizer.mean, stabilizer.inverse))


@pytest.mark.parametrize("noise", [25, 25.0, np.float32(25), np.float64(25), np.uint8(25), GaussianNoise(25)])
def test_a_number_stands_for_its_standard_deviation(noise: float) -> None:
    assert as_noise_model(noise) == GaussianNoise(25.0)
    assert white_level(noise, data_range=255) == 25 / 255


@pytest.mark.parametrize("noise", ["25", None, (25,), np.full(3, 25.0), torch.tensor(25.0)])
def test_noise_of_a_wrong_type_is_refused(noise: object) -> None:
    message = f"noise must be a number or a noise model such as GaussianNoise, got {type(noise).__name__}"
    for convert in (as_noise_model, lambda noise: white_level(noise, 255)):
        with pytest.raises(TypeError, match=message):
            convert(noise)


@pytest.mark.parametrize("noise", [0, -3.0, float("nan"), float("inf"), True])
def test_levels_that_are_not_above_zero_are_refused(noise: float) -> None:
    with pytest.raises(ValueError, match=f"noise must be a number above 0, got {noise!r}"):
        as_noise_model(noise)


@pytest.mark.parametrize("sigma", [-1, float("nan"), "25", None, False])
def test_a_model_checks_its_level(sigma: float) -> None:
    with pytest.raises(ValueError, match=f"sigma must be a number of 0 or more, got {sigma!r}"):
        GaussianNoise(sigma)


def test_white_level_refuses_other_noise_and_none() -> None:
    with pytest.raises(ValueError, match=r"takes white Gaussian noise, .* got gain 2, read noise 0: denoise first"):
        white_level(PoissonGaussianNoise(2), 255)
    with pytest.raises(ValueError, match=r"noise must be a number above 0, got 0\.0"):
        white_level(GaussianNoise(0), 255)
