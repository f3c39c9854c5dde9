"""Priors of every architecture, and a place for their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_models import DEEP, FIELD

import scorematching as sm
from scorematching.priors.architecture import ModelConfig
from scorematching.priors.kinds import build_prior

CONFIGS: dict[str, ModelConfig] = {
    "field": FIELD,
    "field, two octaves": sm.FieldConfig(filters=8, size=3, octaves=2),
    "field, splines, normalized": sm.FieldConfig(filters=8, size=3, expert="spline", normalize_filters=True),
    "deep": DEEP,
    "deep, colors": sm.DeepConfig(channels=8, depth=2, color=True),
}


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return CONFIGS[request.param]


@pytest.fixture
def double(config: ModelConfig) -> sm.Prior:
    """An untrained prior in double precision."""
    return build_prior(config, sm.priors.TrainedNoise(25 / 255)).double()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "p.safetensors"
