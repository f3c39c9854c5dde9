from .config import TrainingConfig
from .fitting import fit
from .result import FitResult

__all__ = ["FitResult", "TrainingConfig", "fit"]
