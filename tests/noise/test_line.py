"""The line of variance over brightness, and the noise model that it describes."""

from __future__ import annotations

import numpy as np
import pytest

from scorematching.noise import GaussianNoise, PoissonGaussianNoise
from scorematching.noise.line import Blocks, VarianceLine, fit_line
from scorematching.noise.saturation import saturation

NOTHING = np.zeros((2, 2))


def drawn(seed: int, error: float = 0.0) -> Blocks:
    """Blocks of 60 degrees of freedom on the line 2 x + 50, with errors of brightness."""
    random = np.random.default_rng(seed)
    x = random.uniform(0, 20, 400)
    variance = 2 * x + 50
    found = variance * random.chisquare(60, 400) / 60
    near = x + random.normal(0, np.sqrt(error * variance))
    zero = np.zeros(400)
    return Blocks(near, found, np.full(400, 60.0), zero, zero + error, np.arange(400))


@pytest.mark.parametrize("error", [0.0, 0.1])
def test_the_line_and_its_errors_are_right(error: float) -> None:
    """Errors of brightness of white noise would flatten the line by 17 %."""
    lines = [fit_line(drawn(seed, error)) for seed in range(200)]
    gains = np.array([line.gain for line in lines])
    errors = np.array([line.gain_error for line in lines])
    assert gains.mean() == pytest.approx(2, abs=0.35 if error else 3 * gains.std() / np.sqrt(200))
    assert errors.mean() == pytest.approx(gains.std(), rel=0.15)


def test_doubtful_blocks_widen_the_errors() -> None:
    blocks = drawn(0)
    blocks = blocks._replace(doubtful=0.3 * blocks.variance)
    assert fit_line(blocks, 0.3).gain_error > 1.2 * fit_line(blocks).gain_error


def test_few_blocks_are_refused() -> None:
    few = Blocks(*(values[:2] for values in drawn(0)))
    with pytest.raises(ValueError, match="a line needs 3 blocks or more, got 2"):
        fit_line(few)


@pytest.mark.parametrize(
    ("line", "options", "expected"),
    [
        ((2.0, 9.0), (0, 100), PoissonGaussianNoise(2.0, 0.0, 3.0)),
        ((2.0, -100.0), (60, 100), PoissonGaussianNoise(2.0, 50.0, 0.0)),
        ((2.0, -100.0), (40, 100), PoissonGaussianNoise(2.0, 40.0, 0.0)),  # raised to 0 at the darkest pixels
        ((2.0, 100.0), (-20, 100), PoissonGaussianNoise(2.0, -20.0, np.sqrt(60.0))),
        ((2.0, -100.0), (60, 100, 45), PoissonGaussianNoise(2.0, 52.0808, 2.04)),  # values below
        ((1e-9, 25.0), (0, 100), GaussianNoise(5.0)),
        ((1e-14, 4e-16), (0, 1), GaussianNoise(2e-8)),  # a read noise of two million photons
    ],
)
def test_models_of_lines(line: tuple, options: tuple, expected: object) -> None:
    found = VarianceLine(*line, NOTHING).model(*options)
    assert type(found) is type(expected)
    np.testing.assert_allclose(list(vars(found).values())[:3], list(vars(expected).values())[:3], rtol=1e-6)


def test_counts_are_not_saturated() -> None:
    random = np.random.default_rng(0)
    counts = random.poisson(3.0, 10_000).astype(float)
    assert saturation(counts) == np.inf
    assert saturation(np.minimum(random.normal(100, 30, 10_000), 130)) == 130
    assert saturation(np.zeros(10)) == np.inf
