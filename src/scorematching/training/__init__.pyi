from .fitting import fit
from .trainer import FitResult, Progress

__all__ = [
    "FitResult",
    "Progress",
    "fit",
]
