from .energy_model import EnergyModel
from .l1_path import L1Path, fit_l1_path

__all__ = ["EnergyModel", "L1Path", "fit_l1_path"]
