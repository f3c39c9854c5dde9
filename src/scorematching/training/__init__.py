"""Fitting priors to pictures: data, the loop, files."""

from scorematching.training.checkpoint import load_prior, save_prior
from scorematching.training.data import CropStream, load_planes, split
from scorematching.training.fit import FitResult, Progress, fit

__all__ = ["CropStream", "FitResult", "Progress", "fit", "load_planes", "load_prior", "save_prior", "split"]
