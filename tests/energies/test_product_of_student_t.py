"""Product of Student-t: its formula, its experts and its initial filters."""

from __future__ import annotations

import torch

from scorematching.energies import ProductOfStudentT


def test_the_energy_agrees_with_the_formula() -> None:
    energy, x = ProductOfStudentT(dim=4, experts=6), torch.randn(3, 4)
    with torch.no_grad():
        energy.weights.copy_(torch.rand(6))
    responses = x @ energy.filters.T
    expected = (energy.weights * torch.log1p(responses.square() / 2)).sum(1)
    torch.testing.assert_close(energy(x), expected)
    torch.testing.assert_close(energy.experts(responses).sum(1), expected)


def test_initial_filters_have_unit_norm_and_depend_on_the_seed_only() -> None:
    first, again, other = (ProductOfStudentT(4, 6, seed=seed).filters for seed in (1, 1, 2))
    torch.testing.assert_close(first.norm(dim=1), torch.ones(6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
