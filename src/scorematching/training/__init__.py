"""Fitting priors to pictures: data, the loop, files."""

from scorematching.training.checkpoint import load_prior, save_prior
from scorematching.training.crops import CropStream
from scorematching.training.data import open_pictures, split
from scorematching.training.fit import fit
from scorematching.training.trainer import FitResult, Progress

__all__ = ["CropStream", "FitResult", "Progress", "fit", "load_prior", "open_pictures", "save_prior", "split"]
