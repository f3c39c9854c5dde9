"""Shared fixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import scorematching as sm
from scorematching.images.photographs import held_out_photograph


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def photograph() -> np.ndarray:
    """A 96 x 120 piece of a photograph, uint8."""
    return np.rint(held_out_photograph("camera")[100:196, 200:320] * 255).astype(np.uint8)


@pytest.fixture
def prior() -> sm.Prior:
    """An untrained prior, whose start is a sensible one."""
    return sm.priors.FieldPrior(sm.FieldConfig(filters=8, size=3), noise=25 / 255)


@pytest.fixture
def prior_file(prior: sm.Prior, tmp_path: Path) -> Path:
    sm.save_prior(prior, tmp_path / "prior.safetensors")
    return tmp_path / "prior.safetensors"
