from .architecture import DeepConfig, FieldConfig
from .base import Prior
from .batch import Crops
from .deep import DeepPrior
from .field import FieldPrior
from .info import Provenance, TrainedNoise
from .kinds import build_prior
from .names import SHIPPED
from .neighbors import NeighborPrior
from .posterior import tweedie
from .store import load_prior, save_prior

__all__ = [
    "SHIPPED",
    "Crops",
    "DeepConfig",
    "DeepPrior",
    "FieldConfig",
    "FieldPrior",
    "NeighborPrior",
    "Prior",
    "Provenance",
    "TrainedNoise",
    "build_prior",
    "load_prior",
    "save_prior",
    "tweedie",
]
