"""The kinds of priors, and how one is built."""

from __future__ import annotations

from collections.abc import Callable

from scorematching.priors.base import Prior
from scorematching.priors.deep import DeepPrior
from scorematching.priors.field import FieldPrior
from scorematching.priors.info import ModelName, PriorInfo
from scorematching.priors.patches import PatchPrior

_KINDS: dict[ModelName, Callable[[PriorInfo], Prior]] = {"foe": FieldPrior, "pot": PatchPrior, "deep": DeepPrior}


def build_prior(info: PriorInfo) -> Prior:
    """An untrained prior.

    Raises:
        ValueError: A size is out of its range.
    """
    return _KINDS[info.model](info).float()
