"""Table of the kinds of priors."""

from __future__ import annotations

from dataclasses import replace

from scorematching.priors.architecture import DeepConfig, FieldConfig, ModelConfig
from scorematching.priors.base import Prior
from scorematching.priors.deep import DeepPrior
from scorematching.priors.field import FieldPrior
from scorematching.priors.info import Provenance, TrainedNoise
from scorematching.priors.neighbors import NeighborPrior
from scorematching.runtime.kinds import check_arguments

CONFIGS: dict[str, type[ModelConfig]] = {"field": FieldConfig, "deep": DeepConfig}


def build_prior(config: ModelConfig, noise: TrainedNoise | float | None, provenance: Provenance | None = None) -> Prior:
    """Return an untrained prior for a configuration, in float32.

    Args:
        config: Architecture. With neighbors, the prior is a :class:`NeighborPrior`.
        noise: Noise of the images, as in :class:`FieldPrior`; ``None`` for clean images.
        provenance: Origin of the prior.

    Raises:
        TypeError: The type of the configuration is unknown.
        ValueError: The noise does not suit the configuration.

    Example:
        >>> type(build_prior(FieldConfig(filters=8, size=3, neighbors=1), 0.1)).__name__
        'NeighborPrior'
    """
    check_arguments(build_prior, locals())
    prior = _plain_prior(config, noise, provenance)
    if not config.neighbors:
        return prior
    return NeighborPrior(_plain_prior(replace(config, neighbors=0), noise, provenance), prior)


def _plain_prior(config: ModelConfig, noise: TrainedNoise | float | None, provenance: Provenance | None) -> Prior:
    if isinstance(config, FieldConfig):
        return FieldPrior(config, noise, provenance).float()
    if isinstance(config, DeepConfig):
        return DeepPrior(config, noise, provenance).float()
    raise TypeError(f"model must be a FieldConfig or a DeepConfig, got {type(config).__name__}")
