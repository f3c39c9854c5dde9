"""Steps that denoise one image: ours, and those of other libraries."""

from __future__ import annotations

import numpy as np

import scorematching as sm
from benchmarks.peers import Step, compilation
from scorematching.images.photographs import held_out_photograph
from scorematching.priors.info import PriorInfo
from scorematching.priors.kinds import build_prior

#: Standard deviation of the noise, white being 1.
SIGMA = 25 / 255


def noisy_image(side: int) -> np.ndarray:
    """A square image with noise, float32: a photograph, mirrored at its borders until it is large enough."""
    photograph = held_out_photograph("camera")
    after = [(0, max(0, side - n)) for n in photograph.shape]
    clean = np.pad(photograph, after, mode="symmetric")[:side, :side]
    return (clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape)).astype(np.float32)


def tweedie_step(side: int, info: PriorInfo, compiled: bool) -> Step:
    """:func:`scorematching.denoise` by Tweedie's formula, with an untrained prior."""
    image, prior, sweeps = noisy_image(side), build_prior(info), compilation(compiled)

    def step() -> None:
        with sweeps():
            sm.denoise(image, SIGMA, prior, method="tweedie", data_range=1.0)

    return step


def map_step(side: int, info: PriorInfo, compiled: bool) -> Step:
    """:func:`scorematching.denoise` by MAP, with an untrained prior."""
    image, prior, sweeps = noisy_image(side), build_prior(info), compilation(compiled)

    def step() -> None:
        with sweeps():
            sm.denoise(image, SIGMA, prior, method="map", data_range=1.0)

    return step


def field_of_experts(filters: int, size: int) -> PriorInfo:
    """A field prior at the level of the noise."""
    return PriorInfo("foe", size, filters, SIGMA, SIGMA, 0.0, 0, 0, "nothing", sm.__version__)


def deep_field(channels: int, depth: int) -> PriorInfo:
    """A deep prior at the level of the noise."""
    return PriorInfo("deep", 3, channels, SIGMA, SIGMA, 0.0, 0, 0, "nothing", sm.__version__, depth)


def non_local_means_step(side: int) -> Step:
    """``skimage.restoration.denoise_nl_means``, the fast variant, patches of 5x5, at the cut-off that its users take.

    One call; the figures of quality in the other benchmarks are the best of several cut-offs.
    """
    from skimage.restoration import denoise_nl_means

    image = noisy_image(side)
    settings = {"patch_size": 5, "patch_distance": 6, "h": 0.8 * SIGMA, "sigma": SIGMA, "fast_mode": True}
    return lambda: denoise_nl_means(image, **settings)


def bm3d_step(side: int) -> Step:
    """``bm3d.bm3d`` with its usual profile, both stages."""
    import bm3d  # may be missing

    image = noisy_image(side)
    return lambda: bm3d.bm3d(image, SIGMA)
