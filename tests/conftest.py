"""Shared fixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from reached import forbid
from small_models import FIELD, as_bytes, with_noise

import scorematching as sm
from scorematching.images.photographs import held_out_photograph

settings.register_profile("short", max_examples=8, derandomize=True, deadline=None, database=None)
settings.register_profile("long", max_examples=200, deadline=None, database=None, print_blob=True)
settings.load_profile("short")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def photograph() -> np.ndarray:
    """A 96 x 120 piece of a photograph, uint8."""
    return as_bytes(held_out_photograph("camera")[100:196, 200:320] * 255)


@pytest.fixture
def noisy(photograph: np.ndarray) -> np.ndarray:
    """The photograph with noise of level 25, uint8."""
    return as_bytes(with_noise(photograph, 25))


@pytest.fixture
def noisy_file(noisy: np.ndarray, tmp_path: Path) -> Path:
    sm.write_image(tmp_path / "noisy.png", noisy)
    return tmp_path / "noisy.png"


@pytest.fixture
def prior() -> sm.Prior:
    """An untrained prior for noise of level 25, whose start is a sensible one."""
    return sm.priors.FieldPrior(FIELD, noise=25 / 255)


@pytest.fixture
def prior_file(prior: sm.Prior, tmp_path: Path) -> Path:
    sm.save_prior(prior, tmp_path / "prior.safetensors")
    return tmp_path / "prior.safetensors"


@pytest.fixture
def _save_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the checkpoint of a training after every step."""
    monkeypatch.setattr("scorematching.training.checkpoints.SECONDS_BETWEEN_SAVES", 0.0)


@pytest.fixture
def _no_work_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a step of a training, nor one of a sampling, nor an evaluation of a prior."""
    forbid(monkeypatch, "training.trainer.Trainer.run", "sampling.langevin", "priors.base.run")
