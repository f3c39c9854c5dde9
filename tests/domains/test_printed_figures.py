"""Fits against the figures of the R packages genscore 1.0.2 (its vignette) and scorematchingad 0.1.6 (its output)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from torch import Tensor

import scorematching as sm
from scorematching.domains import Interval, Sphere
from scorematching.energies import ExponentialFamily, Gaussian
from scorematching.statistics import Estimate


def normals_of_r(seed: int, count: int) -> np.ndarray:
    """Return normal random numbers of R's default generator: Mersenne Twister, and inversion of 59 bits."""
    state = [seed]
    for _ in range(50 + 625):
        state.append((69069 * state[-1] + 1) % 2**32)
    twister = np.random.RandomState()
    twister.set_state(("MT19937", np.array(state[-624:], dtype=np.uint32), 624))
    uniform = twister.randint(0, 2**32, size=2 * count, dtype=np.uint32) * 2.3283064365386963e-10
    return ndtri((np.floor(2**27 * uniform[0::2]) + uniform[1::2]) / 2**27)


def test_a_truncated_normal_of_genscore() -> None:
    """The vignette, section "Univariate Truncated Normal Distributions", with ``h = min(log(1 + x), 2)``."""
    drawn = normals_of_r(6, 2000 + 52)
    first = drawn[:2000][drawn[:2000] >= 0]
    x = torch.from_numpy(np.concatenate([first, drawn[2000:][drawn[2000:] >= 0]])[:1000, None])
    domain = Interval(0, shape=lambda d: torch.log1p(d).clamp(max=2))
    edges = [("x", sm.layers.Square(), "s"), ("s", sm.layers.Scale(1), "q"), ("q", sm.Sum(0.5), "energy")]
    edges += [("x", sm.layers.Scale(1), "m"), ("m", sm.Sum(-1), "energy")]
    names = ["layers.1.weight", "layers.3.weight"]

    def fitted(parameters: list[str], start: tuple[float, float]) -> list[float]:
        energy = sm.Graph(edges).double()
        with torch.no_grad():
            energy.layers[1].weight.fill_(start[0])
            energy.layers[3].weight.fill_(start[1])
        return sm.fit_closed_form(energy, x, parameters=parameters, domain=domain).estimate.tolist()

    assert fitted(names[1:], (1.0, 0.0)) == [pytest.approx(0.01015329, abs=5e-9)]
    assert [1 / k for k in fitted(names[:1], (1.0, 0.0))] == [pytest.approx(1.012342, abs=5e-7)]
    gaussian = Gaussian(1).double()
    k, eta = sm.fit_closed_form(gaussian, x, domain=domain).estimate.tolist()
    assert [eta / k, 1 / k] == [pytest.approx(-0.01763796, abs=5e-9), pytest.approx(1.02421948, abs=5e-9)]


def directions() -> tuple[Tensor, Tensor]:
    """Return 40 points on the unit sphere, and 60 proportions of four parts."""
    rng = np.random.default_rng(2026)
    points = rng.normal(size=(40, 3)) * [1, 0.8, 0.6] + [0.6, 0.3, 1.0]
    rng.normal(size=(30, 2))
    parts = rng.gamma([0.7, 1.4, 2.0, 3.0], size=(60, 4))
    return (
        torch.from_numpy(points / np.linalg.norm(points, axis=1, keepdims=True)),
        torch.from_numpy(parts / parts.sum(1, keepdims=True)),
    )


def check(found: Estimate, estimate: list[float], errors: list[float]) -> None:
    """Compare; scorematchingad divides by N - 1 in its standard errors."""
    np.testing.assert_allclose(found.estimate, estimate, rtol=2e-9)
    np.testing.assert_allclose(found.standard_errors * (found.samples / (found.samples - 1)) ** 0.5, errors, rtol=2e-9)


LINEAR = [lambda z, i=i: z[:, i] for i in range(3)]
SQUARES = [lambda z, i=i: z[:, i] ** 2 - z[:, 2] ** 2 for i in range(2)]
PRODUCTS = [lambda z, i=i, j=j: 2 * z[:, i] * z[:, j] for i, j in ((0, 1), (0, 2), (1, 2))]


def test_von_mises_fisher_of_scorematchingad() -> None:
    found = sm.fit_closed_form(ExponentialFamily(LINEAR).double(), directions()[0], domain="sphere")
    check(found, [1.6213134392, 0.8575220843, 2.5199316863], [0.4523311105, 0.4230157350, 0.4257694296])


def test_fisher_bingham_of_scorematchingad() -> None:
    family = ExponentialFamily([*SQUARES, *PRODUCTS, *LINEAR]).double()
    estimate = [1.0290484965, 1.1367190139, 0.2740799672, 0.5644344266, -0.2124098903, 0.7741044403, 0.7497832667]
    errors = [0.854230274, 0.8213604158, 0.4797055142, 0.6791796212, 0.6747311341, 0.7986262282]
    found = sm.fit_closed_form(family, directions()[0], domain="sphere")
    np.testing.assert_allclose(found.estimate, [*estimate, 4.9813607275], rtol=2e-9)
    np.testing.assert_allclose(found.standard_errors[:6] * (40 / 39) ** 0.5, errors, rtol=2e-9)


def test_proportions_of_scorematchingad() -> None:
    """The Dirichlet distribution on the positive part of the sphere of square roots, with the weight "minsq"."""
    statistics = [lambda z, i=i: z[:, i].log() for i in range(4)]
    z = directions()[1].sqrt()
    found = sm.fit_closed_form(ExponentialFamily(statistics).double(), z, domain=Sphere(lambda z: z.amin(1), cap=0.1))
    found = Estimate(found.shapes, (found.estimate - 1) / 2, found.covariance / 4, found.loss, found.samples)
    check(
        found,
        [-0.3633054251, 0.5563014042, 0.856561963, 1.857519571],
        [0.1251424851, 0.1088949674, 0.2015357952, 0.2842826485],
    )
