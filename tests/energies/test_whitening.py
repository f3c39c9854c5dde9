"""ZCA whitening: the covariance of whitened patches, the adjoint, and samples that are refused."""

from __future__ import annotations

import pytest
import torch

from scorematching.energies import ZCAWhitening


@pytest.fixture
def patches() -> torch.Tensor:
    """Correlated patches of 3 x 3 pixels, with means of their own."""
    return torch.randn(2000, 9).cumsum(1) + torch.randn(2000, 1)


def test_whitened_patches_have_unit_covariance(patches: torch.Tensor) -> None:
    whitening = ZCAWhitening(3)
    whitening.fit(patches)
    white = whitening(patches)
    torch.testing.assert_close(white.T @ white / len(white), torch.eye(8), rtol=0, atol=1e-3)


def test_the_mean_of_a_patch_has_no_effect(patches: torch.Tensor) -> None:
    whitening = ZCAWhitening(3)
    whitening.fit(patches)
    torch.testing.assert_close(whitening(patches + 5), whitening(patches), rtol=0, atol=1e-4)


def test_the_adjoint_satisfies_the_dot_product_test(patches: torch.Tensor) -> None:
    whitening = ZCAWhitening(3)
    whitening.fit(patches)
    gradient = torch.randn(len(patches), 8)
    left, right = (whitening(patches) * gradient).sum(), (patches * whitening.adjoint(gradient)).sum()
    torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("shape", [(9, 9), (100, 8), (100, 3, 3)])
def test_samples_of_a_wrong_size_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected more than 9 patches of 9 pixels, got shape"):
        ZCAWhitening(3).fit(torch.zeros(shape))
