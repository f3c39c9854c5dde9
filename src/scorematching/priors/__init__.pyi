from .architecture import DeepConfig, FieldConfig
from .base import Prior
from .batch import Crops
from .deep import DeepPrior
from .field import FieldPrior
from .info import Provenance, TrainedNoise
from .names import SHIPPED
from .posterior import tweedie
from .store import load_prior, save_prior

__all__ = [
    "SHIPPED",
    "Crops",
    "DeepConfig",
    "DeepPrior",
    "FieldConfig",
    "FieldPrior",
    "Prior",
    "Provenance",
    "TrainedNoise",
    "load_prior",
    "save_prior",
    "tweedie",
]
