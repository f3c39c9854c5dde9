"""Noise models. All their parameters are in the units of the image.

Wherever a noise model is expected, a number stands for white Gaussian noise with this standard deviation.
"""

from scorematching.noise.base import Covariance, NoiseModel, Stabilizer
from scorematching.noise.correlated import CorrelatedNoise
from scorematching.noise.estimate import NoiseEstimate
from scorematching.noise.frames import noise_of_frames
from scorematching.noise.gaussian import GaussianNoise, as_noise_model, white_level
from scorematching.noise.modulated import ModulatedNoise
from scorematching.noise.pixelwise import ChannelNoise, NoiseMap
from scorematching.noise.poisson_gaussian import PoissonGaussianNoise
from scorematching.noise.record import as_record, from_record

__all__ = [
    "ChannelNoise",
    "CorrelatedNoise",
    "Covariance",
    "GaussianNoise",
    "ModulatedNoise",
    "NoiseEstimate",
    "NoiseMap",
    "NoiseModel",
    "PoissonGaussianNoise",
    "Stabilizer",
    "as_noise_model",
    "as_record",
    "from_record",
    "noise_of_frames",
    "white_level",
]
