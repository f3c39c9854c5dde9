"""Noise models."""

from scorematching.noise.poisson_gaussian import PoissonGaussianNoise, Stabilizer, camera_noise

__all__ = ["PoissonGaussianNoise", "Stabilizer", "camera_noise"]
