"""Steps that denoise one image: by this library, and by others."""

from __future__ import annotations

from typing import Literal

import numpy as np

import scorematching as sm
from benchmarks.peers import Step, compilation
from scorematching.images.photographs import held_out_photograph
from scorematching.priors.architecture import ModelConfig
from scorematching.priors.info import TrainedNoise
from scorematching.priors.kinds import build_prior

#: Standard deviation of the noise, with white at 1.
SIGMA = 25 / 255


def noisy_image(side: int) -> np.ndarray:
    """Return a square photograph with noise, float32, mirrored at its borders up to the given side in pixels."""
    photograph = held_out_photograph("camera")
    after = [(0, max(0, side - n)) for n in photograph.shape]
    clean = np.pad(photograph, after, mode="symmetric")[:side, :side]
    return (clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape)).astype(np.float32)


def prior_step(side: int, model: ModelConfig, method: Literal["tweedie", "map"], compiled: bool) -> Step:
    """Return a step of :func:`scorematching.denoise` with an untrained prior."""
    image, prior, sweeps = noisy_image(side), build_prior(model, TrainedNoise(SIGMA)), compilation(compiled)

    def step() -> None:
        with sweeps():
            sm.denoise(image, SIGMA, prior, method=method, data_range=1.0)

    return step


def non_local_means_step(side: int) -> Step:
    """Return a step of ``skimage.restoration.denoise_nl_means``: the fast variant, patches of 5x5, its usual cut-off.

    The quality benchmarks use the best of several cut-offs instead.
    """
    from skimage.restoration import denoise_nl_means

    image = noisy_image(side)
    settings = {"patch_size": 5, "patch_distance": 6, "h": 0.8 * SIGMA, "sigma": SIGMA, "fast_mode": True}
    return lambda: denoise_nl_means(image, **settings)


def bm3d_step(side: int) -> Step:
    """Return a step of ``bm3d.bm3d`` with its default profile and both stages."""
    import bm3d  # may be missing

    image = noisy_image(side)
    return lambda: bm3d.bm3d(image, SIGMA)
