"""The score and the energy of priors: tiles, mirrored borders, maps."""

from __future__ import annotations

import pytest
import torch

import scorematching as sm
from scorematching.priors.deep import DeepPrior


def test_the_gradient_is_that_of_the_energy(double: sm.Prior) -> None:
    planes = torch.rand(2, double.config.colors, 11, 14, dtype=torch.float64, requires_grad=True)
    energies, gradient = double.energy_and_gradient(planes)
    padded = double._padded(planes) / double.unit
    value = double.energy(padded)
    torch.testing.assert_close(energies, value)
    torch.testing.assert_close(gradient, torch.autograd.grad(value.sum(), planes)[0], rtol=1e-9, atol=1e-9)


def test_the_score_is_that_of_the_padded_image(double: sm.Prior) -> None:
    planes, m = torch.rand(2, double.config.colors, 12, 13, dtype=torch.float64), double.margin
    padded = double._padded(planes).requires_grad_()
    (slope,) = torch.autograd.grad(double.energy(padded / double.unit).sum(), padded)
    torch.testing.assert_close(double.score(planes), -slope[..., m : m + 12, m : m + 13], rtol=1e-9, atol=1e-9)


def test_tiles_have_no_seams(double: sm.Prior) -> None:
    planes = torch.rand(1, double.config.colors, 50, 41, dtype=torch.float64)
    whole = double.score(planes)
    double.tile = 16
    torch.testing.assert_close(double.score(planes), whole, rtol=1e-12, atol=1e-10)
    tiled = *double.energy_and_gradient(planes), double.energy_map(planes)
    double.tile = 256
    for one, two in zip(tiled, (*double.energy_and_gradient(planes), double.energy_map(planes)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-10)


@pytest.fixture
def flat(double: sm.Prior) -> torch.Tensor:
    """A flat image, for a prior whose energy does not depend on brightness."""
    if isinstance(double, DeepPrior):
        double.constrain()
    return torch.full((1, double.config.colors, 41, 50), 0.5, dtype=torch.float64)


def test_the_energy_map_adds_up_to_the_energy(double: sm.Prior, flat: torch.Tensor) -> None:
    """But for the places beyond the border, which have that of a flat image where it is flat all around."""
    planes = flat.repeat(2, 1, 1, 1)
    planes[:, :, 18:24, 20:26] += torch.rand(2, double.config.colors, 6, 6, dtype=torch.float64)
    energies = double.energy_and_gradient(planes)[0] - double.energy_and_gradient(flat)[0]
    here = double.energy_map(planes)
    assert here.shape == planes[:, :1].shape
    assert energies.abs().min() > 0.1
    torch.testing.assert_close((here - double.energy_map(flat)).sum((1, 2, 3)), energies, rtol=1e-9, atol=1e-9)


def test_the_energy_map_is_centered(double: sm.Prior, flat: torch.Tensor) -> None:
    """One pixel that differs gives energy to the places around it: as far to the left as to the right."""
    planes = flat.clone()
    planes[..., 15, 12] = 1
    rows, columns = ((double.energy_map(planes) - double.energy_map(flat))[0, 0].abs() > 1e-9).nonzero().T
    block = (15 - 15 % double.block, 12 - 12 % double.block)
    for found, first in zip((rows, columns), block, strict=True):
        assert int(found.min()) == first - double.margin // 2
        assert int(found.max()) == first + double.block - 1 + double.margin // 2


def test_too_small_an_image_is_refused(prior: sm.Prior) -> None:
    for compute in (prior.score, prior.energy_and_gradient, prior.energy_map):
        with pytest.raises(ValueError, match="9 x 2 pixels is too small: this prior takes 3 or more"):
            compute(torch.zeros(1, 1, 2, 9))
