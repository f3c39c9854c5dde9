"""Small models, short trainings and noisy images, for tests of training and of the command line."""

from __future__ import annotations

from typing import Any

import numpy as np

import scorematching as sm

FIELD = sm.FieldConfig(filters=8, size=3)
DEEP = sm.DeepConfig(channels=8, depth=2)
#: The same as options of ``scorematching fit``.
FIELD_OPTIONS = ("--filters", 8, "--size", 3)
DEEP_OPTIONS = ("--model", "deep", "--filters", 4, "--depth", 2, "--crop", 24)


def short(steps: int, **options: Any) -> sm.TrainingConfig:
    """A training of few steps on few small crops."""
    return sm.TrainingConfig(**{"steps": steps, "batch": 4, "crop": 16, **options})


def with_noise(image: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """The image with white noise, float32, in its own units."""
    return sm.GaussianNoise(sigma).simulate(image, seed).astype(np.float32)


def as_bytes(image: np.ndarray) -> np.ndarray:
    """The image rounded and clipped to uint8."""
    return np.rint(image.clip(0, 255)).astype(np.uint8)
