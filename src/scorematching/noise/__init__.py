"""Noise models."""

from scorematching.noise.poisson_gaussian import Anscombe, Stabilizer, camera_noise

__all__ = ["Anscombe", "Stabilizer", "camera_noise"]
