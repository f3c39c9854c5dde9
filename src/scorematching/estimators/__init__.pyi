from .l1_path import L1Path, fit_l1_path

__all__ = ["L1Path", "fit_l1_path"]
