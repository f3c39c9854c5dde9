from .config import TrainingConfig
from .fitting import fit
from .lam_choice import LamChoice, choose_lam
from .result import FitResult

__all__ = ["FitResult", "LamChoice", "TrainingConfig", "choose_lam", "fit"]
