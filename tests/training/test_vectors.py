"""Vectors are no images: ``fit`` names the estimator for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import scorematching as sm


def test_vectors_are_sent_to_the_estimator() -> None:
    with pytest.raises(TypeError, match=r"got a tensor: .* use scorematching\.EnergyModel\(\)\.fit\(x\)"):
        sm.fit(torch.randn(100, 3))
    with pytest.raises(ValueError, match=r"100 x 3 is too small for an image; .* use scorematching\.EnergyModel"):
        sm.fit(np.zeros((100, 3)))
