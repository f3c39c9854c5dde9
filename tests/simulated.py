"""Simulated noise for tests."""

from __future__ import annotations

import numpy as np

import scorematching as sm


def noisy_uint8(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return an image (0-255) with white Gaussian noise, rounded and clipped to uint8."""
    return np.rint(sm.GaussianNoise(sigma).simulate(image)).clip(0, 255).astype(np.uint8)
