"""Fitting priors to pictures: data, the loop, files."""

from scorematching.training.checkpoint import load_prior, save_prior
from scorematching.training.data import CropStream, load_planes, split
from scorematching.training.fit import fit
from scorematching.training.trainer import FitResult, Progress

__all__ = ["CropStream", "FitResult", "Progress", "fit", "load_planes", "load_prior", "save_prior", "split"]
