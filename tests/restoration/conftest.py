"""Fixtures of restoration: images in color, and priors for them."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import color_photograph, small_color_prior

import scorematching as sm


@pytest.fixture(name="color_photograph")
def _color_photograph() -> np.ndarray:
    """A 96 x 120 piece of a photograph in color, uint8."""
    return color_photograph()


@pytest.fixture
def color_prior() -> sm.priors.DeepPrior:
    """An untrained prior of color images."""
    return small_color_prior()


@pytest.fixture
def clean_prior() -> sm.Prior:
    """An untrained prior of clean images."""
    return sm.priors.FieldPrior(sm.FieldConfig(filters=8, size=3))


@pytest.fixture(scope="session")
def natural() -> sm.Prior:
    """The prior for grayscale images that comes with the library."""
    return sm.load_prior("natural-gray")
