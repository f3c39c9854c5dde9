"""Whitening of patches."""

from __future__ import annotations

import pytest
import torch

from scorematching.energies import ZCAWhitening


def test_whitening_whitens() -> None:
    patches = torch.randn(5000, 16).cumsum(1)
    whitening = ZCAWhitening(4)
    whitening.fit(patches)
    white = whitening(patches)
    torch.testing.assert_close(white.T @ white / len(white), torch.eye(15), rtol=0, atol=1e-3)
    torch.testing.assert_close(whitening(patches + 3), white, rtol=0, atol=1e-3)
    y = torch.randn(5000, 15)
    torch.testing.assert_close((white * y).sum(), (patches * whitening.adjoint(y)).sum(), rtol=1e-3, atol=1)
    with pytest.raises(ValueError, match="more than 16 patches of 16 pixels"):
        whitening.fit(patches[:10])
