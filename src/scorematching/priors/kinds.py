"""Table of the kinds of priors."""

from __future__ import annotations

from scorematching.priors.architecture import DeepConfig, FieldConfig, ModelConfig
from scorematching.priors.base import Prior
from scorematching.priors.deep import DeepPrior
from scorematching.priors.field import FieldPrior
from scorematching.priors.info import Provenance, TrainedNoise

CONFIGS: dict[str, type[ModelConfig]] = {"field": FieldConfig, "deep": DeepConfig}


def build_prior(config: ModelConfig, noise: TrainedNoise | None, provenance: Provenance | None = None) -> Prior:
    """Return an untrained prior for a configuration, in float32.

    Raises:
        TypeError: The type of the configuration is unknown.
    """
    if isinstance(config, FieldConfig):
        return FieldPrior(config, noise, provenance).float()
    if isinstance(config, DeepConfig):
        return DeepPrior(config, noise, provenance).float()
    raise TypeError(f"model must be a FieldConfig or a DeepConfig, got {type(config).__name__}")
