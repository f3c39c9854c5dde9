"""Noise models. All their parameters are in the units of the image.

Wherever a noise model is expected, a number stands for white Gaussian noise with this standard deviation.
"""

from scorematching.noise.base import NoiseModel, Stabilizer
from scorematching.noise.estimate import NoiseEstimate
from scorematching.noise.frames import noise_of_frames
from scorematching.noise.gaussian import GaussianNoise, as_noise_model, white_level
from scorematching.noise.poisson_gaussian import PoissonGaussianNoise

__all__ = [
    "GaussianNoise",
    "NoiseEstimate",
    "NoiseModel",
    "PoissonGaussianNoise",
    "Stabilizer",
    "as_noise_model",
    "noise_of_frames",
    "white_level",
]
