"""Shared fixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.priors.kinds import build_prior


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def photograph() -> np.ndarray:
    """A 96 x 120 piece of a photograph, uint8."""
    return np.rint(held_out_photograph("camera")[100:196, 200:320] * 255).astype(np.uint8)


@pytest.fixture
def info() -> sm.priors.PriorInfo:
    """A small field of experts for noise of level 25."""
    return sm.priors.PriorInfo("foe", 3, 8, 25 / 255, 25 / 255, 0.0, 0, 0, "nothing", sm.__version__)


@pytest.fixture
def prior(info: sm.priors.PriorInfo) -> sm.Prior:
    """An untrained prior, whose start is a sensible one."""
    return build_prior(info)


@pytest.fixture
def prior_file(prior: sm.Prior, tmp_path: Path) -> Path:
    sm.save_prior(prior, tmp_path / "prior.safetensors")
    return tmp_path / "prior.safetensors"
