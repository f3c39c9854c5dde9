"""Noise that grows with brightness: the Anscombe transform and its unbiased inverse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from scorematching.noise import PoissonGaussianNoise

READ = [0.0, 0.2, 1.0, 3.0]  # photons


def moments(noise: PoissonGaussianNoise, photons: float) -> tuple[float, float]:
    """Mean and standard deviation of stabilized pixels for unit gain, by adaptive integration."""
    counts = np.arange(math.ceil(photons + 12 * math.sqrt(photons) + 20))
    chances = stats.poisson.pmf(counts, photons)

    def over_read_noise(count: int, power: int) -> float:
        root = lambda t: float(noise.stabilize(count + noise.sigma * t)) ** power * stats.norm.pdf(t)  # noqa: E731
        if not noise.sigma:
            return float(noise.stabilize(float(count))) ** power
        knot = max(-count / noise.sigma, -10.0)
        parts = ((-10.0, knot), (knot, 10.0))
        return sum(integrate.quad(root, *part, epsabs=1e-9, epsrel=1e-9, limit=200)[0] for part in parts)

    likely = [(chance, int(count)) for chance, count in zip(chances, counts, strict=True) if chance > 1e-12]
    mean, square = (sum(chance * over_read_noise(count, power) for chance, count in likely) for power in (1, 2))
    return mean, math.sqrt(square - mean**2)


@pytest.mark.parametrize("read", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("photons", [0.3, 3.0])
def test_tables_agree_with_adaptive_integration(photons: float, read: float) -> None:
    noise = PoissonGaussianNoise(gain=1.0, sigma=read)
    mean, deviation = moments(noise, photons)
    assert float(noise.stabilized_mean(photons)) == pytest.approx(mean, abs=1e-5)
    assert float(noise.inverse(mean)) == pytest.approx(photons, abs=1e-5)
    assert float(noise.stabilized_deviation(photons)) == pytest.approx(deviation, abs=1e-4)
    if photons >= 3:
        assert deviation == pytest.approx(1, abs=0.05 if read else 0.01)


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("photons", [3, 10, 100, 1000])
def test_stabilized_noise_has_variance_one_and_the_inverse_is_unbiased(photons: float, read: float) -> None:
    """In units and at an offset of their own, by 400,000 draws; beyond the table too."""
    gain, offset = 3.5, 100.0
    x, noise = offset + gain * photons, PoissonGaussianNoise(gain, offset, gain * read)
    values = noise.stabilize(noise.simulate(np.full(400_000, x)))
    assert values.std() == pytest.approx(1, abs=0.05 if read else 0.015)
    error = 4 * gain * math.sqrt((photons + read**2) / values.size)
    assert float(noise.inverse(values.mean())) == pytest.approx(x, abs=error)


def test_simulated_noise_has_the_mean_and_the_variance_of_the_model() -> None:
    noise, x = PoissonGaussianNoise(gain=3.5, offset=100.0, sigma=7.0), 170.0
    draws = noise.simulate(np.full(400_000, x), seed=2)
    variance = 3.5 * (x - 100) + 7.0**2
    assert draws.mean() == pytest.approx(x, abs=4 * math.sqrt(variance / draws.size))
    assert draws.var() == pytest.approx(variance, rel=0.01)
    np.testing.assert_array_equal(noise.simulate(np.full(400_000, x), seed=2), draws)
    assert noise.residual(draws, np.full(400_000, x)).mean() == pytest.approx(0, abs=0.01)


def test_no_light_and_strong_light() -> None:
    noise = PoissonGaussianNoise(gain=2.0, offset=50.0, sigma=1.0)
    assert float(noise.inverse(noise.stabilized_mean(50.0))) == pytest.approx(50)
    assert float(noise.inverse(0.0)) == 50
    at, beside = float(noise.stabilize(50.0)), float(noise.stabilize(50.001))
    assert at - float(noise.stabilize(40.0)) == pytest.approx((beside - at) * 10_000, rel=1e-3)  # along the tangent
    strong = np.array([1e4, 1e6, 1e9])
    np.testing.assert_allclose(noise.inverse(noise.stabilized_mean(strong)), strong, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gain": 0.0}, "gain must be a number above 0, got 0.0"),
        ({"gain": float("nan")}, "gain must be a number above 0, got nan"),
        ({"gain": "2"}, "gain must be a number above 0, got '2'"),
        ({"gain": 2.0, "sigma": -1}, r"sigma \(read noise\) must be a number of 0 or more, got -1"),
        ({"gain": 2.0, "offset": float("inf")}, "offset must be a finite number, got inf"),
        ({"gain": 2.0, "offset": "3"}, "offset must be a finite number, got '3'"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PoissonGaussianNoise(**options)
