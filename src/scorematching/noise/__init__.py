"""Noise models: what an image's noise is, in the image's own units.

A number stands for white Gaussian noise of that standard deviation wherever a noise model is expected.
"""

from scorematching.noise.base import NoiseModel, Stabilizer
from scorematching.noise.gaussian import GaussianNoise, as_noise_model, white_level
from scorematching.noise.poisson_gaussian import PoissonGaussianNoise

__all__ = ["GaussianNoise", "NoiseModel", "PoissonGaussianNoise", "Stabilizer", "as_noise_model", "white_level"]
