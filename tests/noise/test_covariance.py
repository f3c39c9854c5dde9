"""Covariances as operators: against dense matrices, and against the noise that the models simulate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from scorematching.noise import (
    ChannelNoise,
    CorrelatedNoise,
    Covariance,
    GaussianNoise,
    ModulatedNoise,
    NoiseMap,
    NoiseModel,
    PoissonGaussianNoise,
)

HEIGHT, WIDTH = 9, 8
#: Kernel that mixes and blurs the channels of white noise, (C, C, k, k): a filter of channel d for channel c.
KERNEL = np.random.default_rng(0).normal(size=(3, 3, 3, 3))


def autocovariance(kernel: np.ndarray) -> np.ndarray:
    """Return that of white noise filtered by a kernel: ``R_cd(t) = sum_e sum_p k_ce(p) k_de(p + t)``."""
    side = kernel.shape[2]
    found = np.zeros((*kernel.shape[:2], 2 * side - 1, 2 * side - 1))
    for i in range(2 * side - 1):
        for j in range(2 * side - 1):
            down, across = i - side + 1, j - side + 1
            first = kernel[..., max(0, -down) : side - max(0, down), max(0, -across) : side - max(0, across)]
            second = kernel[..., max(0, down) : side + min(0, down), max(0, across) : side + min(0, across)]
            found[..., i, j] = np.einsum("ceij,deij->cd", first, second)
    return found


MODELS: dict[str, NoiseModel] = {
    "white": GaussianNoise(3.0),
    "photons": PoissonGaussianNoise(2.0, 1.0, 3.0),
    "channels": ChannelNoise((1.0, 2.0, 3.0)),
    "map": NoiseMap(np.arange(1.0, 1 + HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)),
    "map of channels": NoiseMap(np.arange(1.0, 1 + 3 * HEIGHT * WIDTH).reshape(HEIGHT, WIDTH, 3)),
    "correlated": CorrelatedNoise(autocovariance(KERNEL)),
    "photons, correlated": ModulatedNoise(PoissonGaussianNoise(2.0, 1.0, 3.0), CorrelatedNoise(autocovariance(KERNEL))),
    "map, correlated": ModulatedNoise(
        NoiseMap(np.arange(1.0, 1 + HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)), CorrelatedNoise(autocovariance(KERNEL))
    ),
}
CLEAN = torch.from_numpy(np.random.default_rng(1).uniform(0.2, 0.9, (3, 1, HEIGHT, WIDTH)))


def dense(apply: object) -> Tensor:
    """Return the matrix of a linear map of planes."""
    units = torch.eye(CLEAN.numel(), dtype=torch.float64).view(-1, *CLEAN.shape)
    return torch.stack([apply(unit).flatten() for unit in units])  # type: ignore[operator]


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> NoiseModel:
    return MODELS[request.param]


def of(model: NoiseModel) -> Covariance:
    return model.covariance(CLEAN, data_range=10.0)


def test_it_is_symmetric_and_its_diagonal_is_the_variance(model: NoiseModel) -> None:
    matrix = dense(of(model).apply)
    torch.testing.assert_close(matrix, matrix.T)
    clean = 10 * np.moveaxis(CLEAN[:, 0].numpy(), 0, 2)
    variance = torch.from_numpy(np.moveaxis(model.variance(clean), 2, 0).copy()) / 100
    torch.testing.assert_close(matrix.diagonal(), variance.flatten(), rtol=1e-6, atol=1e-6)


def test_the_level_is_the_root_of_the_largest_eigenvalue(model: NoiseModel) -> None:
    """That of stationary noise is that of an infinite image, which is a little larger; modulated, it is a bound."""
    largest = float(torch.linalg.eigvalsh(dense(of(model).apply)).max()) ** 0.5
    factor = {CorrelatedNoise: 1.3, ModulatedNoise: 1.5}.get(type(model), 1 + 1e-6)
    assert largest * (1 - 1e-6) <= of(model).level <= largest * factor


def test_damping_inverts_the_sum_with_white_noise(model: NoiseModel) -> None:
    """For stationary noise on a torus, where borders make no difference: constant planes."""
    covariance, level = of(model), 0.7
    if isinstance(model, CorrelatedNoise):
        total = torch.from_numpy(model.autocovariance.sum((2, 3))) / 100
        expected = level**2 * torch.linalg.solve(
            level**2 * torch.eye(3, dtype=torch.float64) + total, torch.ones(3, 1, dtype=torch.float64)
        )
        found = covariance.damped(torch.ones_like(CLEAN), level)[..., 4, 4]
    else:
        expected = CLEAN
        found = (
            covariance.damped(CLEAN, level) * level**2 + covariance.apply(covariance.damped(CLEAN, level))
        ) / level**2
    tolerance = 1e-3 if isinstance(model, ModulatedNoise) else 1e-6  # that of the conjugate gradients
    torch.testing.assert_close(found.flatten(), expected.flatten().to(found), rtol=1e-5, atol=tolerance)


@pytest.mark.parametrize("channels", [1, 3])
def test_correlated_noise_is_simulated_with_its_own_covariance(channels: int) -> None:
    noise = CorrelatedNoise(autocovariance(KERNEL[:channels, :channels]))
    found = np.moveaxis(noise.simulate(np.zeros((400, 400, channels)), seed=3), 2, 0)
    for (i, j), (down, across) in {(2, 2): (0, 0), (2, 3): (0, 1), (4, 1): (2, -1)}.items():
        first = found[:, : 400 - down, max(0, -across) : 400 - max(0, across)].reshape(channels, -1)
        second = found[:, down:, max(0, across) : 400 + min(0, across)].reshape(channels, -1)
        covariances = first @ second.T / first.shape[1]
        bound = 5 * np.abs(noise.autocovariance).max() / 100
        np.testing.assert_allclose(covariances, noise.autocovariance[..., i, j], atol=bound)


def test_octaves_of_white_noise_are_white_noise() -> None:
    noise = CorrelatedNoise.from_octaves([4 * np.eye(2)] * 3)
    expected = np.zeros_like(noise.autocovariance)
    expected[[0, 1], [0, 1], noise.reach, noise.reach] = 4
    np.testing.assert_allclose(noise.autocovariance, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.ones((2, 2)), "odd"),
        (np.ones((3, 4)), "shape"),
        (np.full((3, 3), np.nan), "not finite"),
        (np.arange(9.0).reshape(3, 3), "not symmetric"),
        (np.ones((3, 3)), "is that of no noise"),
        (-np.ones((1, 1)), "is that of no noise"),
    ],
)
def test_what_is_no_autocovariance_is_refused(given: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CorrelatedNoise(given)


@pytest.mark.parametrize(
    "model",
    [
        ChannelNoise((1.0, 2.0)),
        NoiseMap(np.ones((3, 3)) + np.eye(3)),
        CorrelatedNoise(np.eye(2)[:, :, None, None]),
    ],
)
def test_models_for_other_images_are_refused(model: NoiseModel) -> None:
    with pytest.raises(ValueError, match="image has"):
        model.covariance(CLEAN, 1.0)


def test_noise_of_one_channel_is_the_same_in_all_channels() -> None:
    noise = CorrelatedNoise(np.outer([0.5, 1.0, 0.5], [0.5, 1.0, 0.5]))
    found = noise.simulate(np.zeros((20, 30, 3)))
    np.testing.assert_array_equal(found[..., 0], found[..., 2])
    gray = noise.covariance(CLEAN[:1], 1.0).apply(CLEAN[:1] + CLEAN[1:2] + CLEAN[2:])
    torch.testing.assert_close(noise.covariance(CLEAN, 1.0).apply(CLEAN)[1:2], gray)


@pytest.mark.parametrize("level", [0.01, 0.1, 1.0])
def test_damping_never_amplifies_where_interpolation_falls_below_0(level: float) -> None:
    noise = CorrelatedNoise.from_octaves([density * np.eye(1) for density in (1.0, 1.0, 1.0, 400.0)])
    planes = torch.randn(1, 1, 64, 80)
    covariance = noise.covariance(planes, 1.0)
    assert float(covariance.damped(planes, level).norm()) <= 2 * float(planes.norm())
