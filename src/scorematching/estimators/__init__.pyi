from .energy_model import EnergyModel
from .l1_path import L1Path, fit_l1_path
from .preparation import SeparatedModesWarning

__all__ = ["EnergyModel", "L1Path", "SeparatedModesWarning", "fit_l1_path"]
