"""Samples of an energy, by Langevin dynamics and Hamiltonian Monte Carlo, and its normalizer."""

from scorematching.sampling.chains import Samples, hmc, langevin
from scorematching.sampling.diagnostics import SamplingWarning, Summary, effective_sample_size, r_hat, summarize
from scorematching.sampling.normalizer import LogNormalizer, log_normalizer
from scorematching.sampling.spaces import without_mean
from scorematching.sampling.targets import EnergyWithGradient

__all__ = [
    "EnergyWithGradient",
    "LogNormalizer",
    "Samples",
    "SamplingWarning",
    "Summary",
    "effective_sample_size",
    "hmc",
    "langevin",
    "log_normalizer",
    "r_hat",
    "summarize",
    "without_mean",
]
