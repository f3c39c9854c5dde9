"""Images and noise for tests."""

from __future__ import annotations

import numpy as np

import scorematching as sm
from scorematching.images.photographs import held_out_photograph


def color_photograph() -> np.ndarray:
    """Return a 96 x 120 piece of a photograph in color, uint8."""
    return np.rint(held_out_photograph("chelsea", color=True)[100:196, 120:240] * 255).astype(np.uint8)


def small_color_prior() -> sm.priors.DeepPrior:
    """Return an untrained prior of color images."""
    return sm.priors.DeepPrior(sm.DeepConfig(channels=8, depth=2, color=True), noise=25 / 255)


def many_levels(prior: sm.Prior) -> sm.Prior:
    """Return a prior that claims to be trained for many noise levels, as annealing needs."""
    prior.noise = sm.priors.TrainedNoise(25 / 255, lowest=5 / 255, highest=55 / 255)
    return prior


def noisy_uint8(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return an image (0-255) with white Gaussian noise, rounded and clipped to uint8."""
    return np.rint(sm.GaussianNoise(sigma).simulate(image)).clip(0, 255).astype(np.uint8)
