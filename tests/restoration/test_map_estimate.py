"""Maximum a posteriori estimates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from simulated import noisy_uint8

import scorematching as sm
from scorematching.restoration.map_estimate import maximum_a_posteriori, posterior_energy
from scorematching.restoration.operators import Blur, Identity, gaussian_kernel

pytestmark = pytest.mark.recorded

SIGMA = 40 / 255


def test_the_estimate_is_never_less_probable_than_its_start(photograph: np.ndarray, prior: sm.Prior) -> None:
    y = torch.from_numpy(noisy_uint8(photograph, 40)[None, None].astype(np.float32) / 255)

    def objective(x: torch.Tensor) -> float:
        energies, _ = prior.energy_and_gradient(x)
        return float(0.5 * (x - y).square().sum() / SIGMA**2 + energies.sum())

    values = [objective(maximum_a_posteriori(y, Identity(), SIGMA, prior, y, steps)) for steps in (1, 3, 10, 40)]
    assert objective(y) >= values[0] >= values[1] >= values[2] >= values[3]
    assert values[3] < objective(y)


def test_the_gradient_of_the_posterior_energy_is_exact(prior: sm.Prior) -> None:
    """Against central differences, with respect to a random direction."""
    prior.double()
    x, y, direction = torch.rand(3, 1, 1, 12, 14, dtype=torch.float64)
    blur, step = Blur(gaussian_kernel(0.6)), 1e-6
    _, gradient = posterior_energy(x, y, blur, SIGMA, prior)
    ahead, behind = (posterior_energy(x + sign * step * direction, y, blur, SIGMA, prior)[0] for sign in (1, -1))
    torch.testing.assert_close((gradient * direction).sum().item(), (ahead - behind) / (2 * step), rtol=1e-6, atol=0)
