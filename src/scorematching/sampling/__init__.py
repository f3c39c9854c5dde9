"""Samples of an energy, drawn by Langevin dynamics."""

from scorematching.sampling.chains import EnergyWithGradient, Samples, langevin, without_mean

__all__ = ["EnergyWithGradient", "Samples", "langevin", "without_mean"]
