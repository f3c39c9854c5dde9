"""Error bars: the posterior standard deviation of each denoised pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from simulated import noisy_uint8

import scorematching as sm
from scorematching.layers import Square, Sum
from scorematching.priors import DeepPrior, FieldPrior, tweedie
from scorematching.priors.slopes import exact_slope, probed_slopes
from scorematching.restoration.error_bars import _consistency, _guided, deviation_of_clean, posterior_variance

LEVEL = 25


def dense_jacobian(prior: sm.Prior, y: torch.Tensor) -> torch.Tensor:
    """The Jacobian of Tweedie's formula for noise of level 1, (D, D), by automatic differentiation."""

    def step(near: torch.Tensor) -> torch.Tensor:
        bottom, right = prior._padding(near)
        padded = torch.nn.functional.pad(near, [prior.margin, right, prior.margin, bottom], mode="reflect")
        (gradient,) = torch.autograd.grad(prior.energy(padded).sum(), padded, create_graph=True)
        return near - gradient[..., prior.margin :, prior.margin :][..., : near.shape[2], : near.shape[3]]

    torch.testing.assert_close(step(y.detach().requires_grad_()).detach(), tweedie(y, 1.0, prior))
    jacobian = torch.autograd.functional.jacobian(step, y)
    return jacobian.reshape(y.numel(), y.numel())


@pytest.mark.parametrize(
    "config",
    [
        sm.FieldConfig(filters=6, size=3),
        sm.FieldConfig(filters=6, size=3, octaves=2, expert="spline"),
        sm.FieldConfig(filters=12, size=4),
    ],
)
def test_a_field_of_experts_is_exact_up_to_the_border(config: sm.FieldConfig) -> None:
    prior = FieldPrior(config, noise=0.1).double()
    prior.tile = 8
    y = 2 * torch.randn(1, 1, 17, 22, dtype=torch.float64)
    found, truth = exact_slope(prior, y), dense_jacobian(prior, y).diagonal().view(y.shape)
    torch.testing.assert_close(found, truth, rtol=1e-10, atol=1e-12)
    variance = posterior_variance(prior, 0, 0.1 * y, 0.1)
    torch.testing.assert_close(variance, 0.01 * truth.clamp(0, 1), rtol=1e-10, atol=0)


@pytest.mark.parametrize("color", [False, True])
def test_probes_of_a_deep_prior_are_exact_without_interference(color: bool) -> None:
    """With one pixel per grid, all values are those of the dense Jacobian; ``passed`` sums over the colors."""
    prior = DeepPrior(sm.DeepConfig(channels=4, depth=2, color=color), noise=0.1).double()
    y = 2 * torch.randn(1, 3 if color else 1, 12, 11, dtype=torch.float64)
    jacobian = dense_jacobian(prior, y).detach()
    wide = probed_slopes(prior, y, stride=36)
    torch.testing.assert_close(wide.slope, jacobian.diagonal().view(y.shape), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(wide.passed, jacobian.square().sum(1).view(y.shape), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(y + wide.step, tweedie(y, 1.0, prior))


@pytest.mark.parametrize("color", [False, True])
def test_random_signs_are_unbiased(color: bool) -> None:
    prior = DeepPrior(sm.DeepConfig(channels=4, depth=2, color=color), noise=0.1).double()
    y = 2 * torch.randn(1, 3 if color else 1, 14, 16, dtype=torch.float64)
    jacobian, generator = dense_jacobian(prior, y).detach(), torch.Generator().manual_seed(0)
    draws = [probed_slopes(prior, y, generator, stride=3) for _ in range(200)]
    truths = jacobian.diagonal(), jacobian.square().sum(1)
    for found, truth in zip(zip(*((d.slope, d.passed) for d in draws), strict=True), truths, strict=True):
        values = torch.stack(found).flatten(1)
        error = (values.mean(0) - truth) / (values.std(0) / math.sqrt(len(draws))).clamp_min(1e-9)
        assert error.square().mean().sqrt() == pytest.approx(1, abs=0.2)


def gaussian_prior() -> FieldPrior:
    """A Gaussian density of noisy images, ``1/2 sum_p (w * y)_p^2`` for noise of level 1."""
    prior = FieldPrior(sm.FieldConfig(filters=1, size=3), noise=0.2).double()
    energy = sm.Sequential(sm.Conv2d(1, 1, 3, bias=False), Square(), Sum(0.5)).double()
    weight = torch.tensor([[0.0, -0.1, 0.05], [-0.1, 0.6, -0.15], [0.05, -0.15, -0.05]], dtype=torch.float64)
    energy.layers[0].weight.data[0, 0] = 0.8 * weight  # type: ignore[union-attr, index]
    prior.energy = energy  # type: ignore[assignment]
    return prior


def gaussian_images(prior: FieldPrior, size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """A clean image of a Gaussian prior on a torus, its noise of level 1, and the posterior variance of a pixel."""
    kernel = np.zeros((size, size))
    kernel[:3, :3] = prior.energy.layers[0].weight.detach()[0, 0].numpy()
    precision = np.abs(np.fft.fft2(kernel)) ** 2  # of noisy images
    of_clean = 1 / precision - 1
    assert of_clean.min() > 0
    random = np.random.default_rng(0)
    drawn, noise = random.standard_normal((2, size, size))
    clean = np.fft.ifft2(np.sqrt(of_clean) * np.fft.fft2(drawn)).real
    return clean, noise, float(np.mean(1 / (1 / of_clean + 1)))


def test_a_gaussian_prior_has_the_posterior_variance_in_closed_form() -> None:
    """On a torus, all covariances are diagonal in Fourier space. The image is drawn from the prior."""
    prior, sigma = gaussian_prior(), 0.2
    clean, noise, posterior = gaussian_images(prior, 96)
    restored, std = sm.denoise(sigma * (clean + noise), sigma, prior, data_range=1.0, return_std=True)
    inner = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(std[inner], sigma * math.sqrt(posterior), rtol=1e-6)
    errors = ((restored - sigma * clean)[inner] / std[inner]) ** 2
    assert errors.mean() == pytest.approx(1, abs=0.05)


def test_a_prior_that_removes_too_little_noise_is_found() -> None:
    """The energy times 0.97: the step is 3 % too short, and the slopes too."""
    prior = gaussian_prior()
    clean, noise, _ = gaussian_images(prior, 400)
    y = torch.from_numpy(clean + noise)[None, None]
    counted = torch.zeros(400, 400, dtype=torch.bool)
    counted[4:-4, 4:-4] = True
    assert _consistency(probed_slopes(prior, y, stride=6), counted) == pytest.approx(1, abs=0.01)
    prior.energy.layers[0].weight.data *= math.sqrt(0.97)
    assert _consistency(probed_slopes(prior, y, stride=6), counted) == pytest.approx(0.97, abs=0.01)
    assert _consistency(probed_slopes(prior, 2 * y, stride=6), counted) == 1.05  # noise of another level
    assert _consistency(probed_slopes(prior, y, stride=6), ~counted & counted) == 1


def test_slopes_follow_the_noise_that_passes_through() -> None:
    """A linear relation is kept, and what is random beside it is reduced."""
    passed = torch.rand(1, 1, 40, 50, dtype=torch.float64)
    torch.testing.assert_close(_guided(0.1 + 0.7 * passed, passed), 0.1 + 0.7 * passed, rtol=0, atol=2e-3)
    random = 0.1 * torch.randn(passed.shape, dtype=torch.float64)
    found = _guided(0.1 + 0.7 * passed + random, passed) - 0.1 - 0.7 * passed
    assert found.std() < 0.15 * random.std()


def test_units_types_missing_pixels_and_alpha(photograph: np.ndarray, prior: sm.Prior) -> None:
    noisy = noisy_uint8(photograph // 2 + 64, 12)  # no noise is clipped
    clean, std = sm.denoise(noisy, 12, prior, return_std=True)
    np.testing.assert_array_equal(clean, sm.denoise(noisy, 12, prior))
    assert (clean.dtype, std.dtype, std.shape) == (np.uint8, np.float32, noisy.shape)
    assert 2 < std.mean() < 12
    sixteen = sm.denoise(noisy.astype(np.uint16) * 257, 12 * 257, prior, return_std=True)[1]
    np.testing.assert_allclose(sixteen / 257, std, rtol=1e-4)
    alpha = np.full(noisy.shape, 255, np.uint8)
    alpha[:10] = 0
    _, colored = sm.denoise(np.dstack([noisy, noisy, noisy, alpha]), 12, prior, return_std=True)
    assert colored.shape == (*noisy.shape, 4)
    assert np.isnan(colored[:10, :, :3]).all()
    np.testing.assert_array_equal(colored[..., 3], 0)
    np.testing.assert_allclose(colored[30:, :, 1], std[30:], rtol=1e-5)


def test_colors_of_a_grayscale_prior_share_their_variance(color_photograph: np.ndarray, prior: sm.Prior) -> None:
    """The variance of a color is the mean of those of the opponent colors, weighted by the squares of the map."""
    planes = torch.from_numpy(color_photograph).permute(2, 0, 1)[:, None].float() / 255 + 0.1 * torch.randn(
        3, 1, 96, 120
    )
    basis = torch.linalg.qr(torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]]).T).Q
    mixed = torch.tensordot(basis.T, planes, dims=1) / 0.1
    parts = torch.cat([exact_slope(prior, plane) for plane in mixed.split(1)])
    expected = 0.01 * torch.tensordot(basis.square(), parts, dims=1)
    torch.testing.assert_close(posterior_variance(prior, 0, planes, 0.1), expected, rtol=1e-4, atol=1e-7)


def test_a_spike_keeps_its_noise_and_a_scaled_step_removes_less(natural: sm.Prior) -> None:
    y = 0.5 + 0.001 * torch.randn(1, 1, 60, 60)
    y[..., :30] += 0.5
    plain = posterior_variance(natural, 0, y, 0.001).sqrt() / 0.001
    assert 0.9 < plain.min() <= plain.max() <= 1
    spiked = 0.5 + 0.01 * torch.randn(1, 1, 60, 60)
    spiked[..., 30, 30] = 5.0
    found = posterior_variance(natural, 0, spiked, 0.01).sqrt() / 0.01
    assert found[0, 0, 30, 30] == 1
    assert found.median() < 0.3


def test_a_self_ensemble_has_the_mean_variance(photograph: np.ndarray, prior: sm.Prior) -> None:
    """Its error bars turn with the image, which those of a single result do not."""
    weight = prior.energy.convolutions[0].weight
    weight.data += 0.1 * torch.randn(weight.shape)
    image = photograph / 255

    def variance(seen: np.ndarray, whole: bool) -> np.ndarray:
        return sm.denoise(np.ascontiguousarray(seen), 0.1, prior, self_ensemble=whole, return_std=True)[1] ** 2

    turns = [variance(np.rot90(seen, k), False) for seen in (image, image[:, ::-1]) for k in range(4)]
    back = [
        np.rot90(turn, -k) if n == 0 else np.rot90(turn, -k)[:, ::-1]
        for n in (0, 1)
        for k, turn in enumerate(turns[4 * n : 4 * n + 4])
    ]
    np.testing.assert_allclose(variance(image, True), np.mean(back, 0), rtol=1e-4)
    assert not np.allclose(turns[0], back[1], rtol=1e-2)


def test_photons_carry_their_error_bars_through_the_inverse(photograph: np.ndarray, prior: sm.Prior) -> None:
    """In bright light the result is the delta method's: the error bars grow as the root of the brightness."""
    noise = sm.PoissonGaussianNoise(gain=0.01)
    stabilizer = noise.stabilizer(255)
    x = torch.linspace(0.2, 0.9, 50, dtype=torch.float64).view(1, 1, 5, 10)
    s = torch.full_like(x, 0.3 * stabilizer.level)
    step = 1e-4
    slope = (stabilizer.inverse(x + step) - stabilizer.inverse(x - step)) / (2 * step)
    torch.testing.assert_close(deviation_of_clean(stabilizer, x, s), slope * s, rtol=1e-3, atol=0)
    dim = sm.PoissonGaussianNoise(gain=20.0)
    noisy = dim.simulate(photograph.astype(float))
    _, std = sm.denoise(noisy, dim, prior, data_range=255, return_std=True)
    dark, bright = photograph < 30, photograph > 150
    assert 0 < std[dark].mean() < 0.6 * std[bright].mean()


def test_error_bars_of_the_shipped_prior_are_calibrated(photograph: np.ndarray, natural: sm.Prior) -> None:
    noisy = sm.GaussianNoise(LEVEL).simulate(photograph.astype(float))
    restored, std = sm.denoise(noisy, LEVEL, natural, data_range=255, return_std=True)
    halves = std < np.median(std)
    for half in (halves, ~halves):
        true, predicted = (np.sqrt(np.mean(x[half] ** 2)) for x in (restored - photograph, std))
        assert true == pytest.approx(predicted, rel=0.2)


def test_no_noise_has_no_error(photograph: np.ndarray, prior: sm.Prior) -> None:
    with pytest.warns(UserWarning, match="the noise level is 0"):
        _, std = sm.denoise(photograph, sm.GaussianNoise(0), prior, return_std=True)
    np.testing.assert_array_equal(std, np.zeros(photograph.shape))


@pytest.mark.usefixtures("_no_work_begins")
def test_maximum_a_posteriori_has_no_error_bars(photograph: np.ndarray, prior: sm.Prior, clean_prior: sm.Prior) -> None:
    with pytest.raises(ValueError, match="this prior was trained on clean images: leave out return_std"):
        sm.denoise(photograph, LEVEL, clean_prior, return_std=True)
    with pytest.raises(ValueError, match="method is 'map'"):
        sm.denoise(photograph, LEVEL, prior, method="map", return_std=True)
