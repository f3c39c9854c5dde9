from .base import Prior
from .deep import DeepPrior
from .field import FieldPrior
from .info import PriorInfo
from .store import SHIPPED, load_prior, save_prior

__all__ = [
    "SHIPPED",
    "DeepPrior",
    "FieldPrior",
    "Prior",
    "PriorInfo",
    "load_prior",
    "save_prior",
]
