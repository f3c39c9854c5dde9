"""Samples of an energy by Langevin dynamics."""

from scorematching.sampling.chains import Samples, langevin

__all__ = ["Samples", "langevin"]
