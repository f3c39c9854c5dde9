"""Steps that denoise one picture: ours, and those of other libraries."""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import scorematching as sm
from benchmarks.peers import Step, compilation
from scorematching.photographs import held_out_photograph
from scorematching.prior import Prior, build_prior

#: Standard deviation of the noise, white being 1.
SIGMA = 25 / 255
#: Side of the tiles in which a deep energy is worked on, of its folded pictures.
TILE = 128


def noisy_picture(side: int) -> np.ndarray:
    """A square picture with noise, float32: a photograph, mirrored at its borders until it is large enough."""
    photograph = held_out_photograph("camera")
    after = [(0, max(0, side - n)) for n in photograph.shape]
    clean = np.pad(photograph, after, mode="symmetric")[:side, :side]
    return (clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape)).astype(np.float32)


def tweedie_step(side: int, filters: int, size: int, compiled: bool) -> Step:
    """:func:`scorematching.denoise` by Tweedie's formula, with an untrained field prior."""
    image, prior, sweeps = noisy_picture(side), _field_prior(filters, size), compilation(compiled)

    def step() -> None:
        with sweeps():
            sm.denoise(image, SIGMA, prior, method="tweedie", peak=1.0)

    return step


def map_step(side: int, filters: int, size: int, compiled: bool) -> Step:
    """:func:`scorematching.denoise` by MAP, with an untrained field prior."""
    image, prior, sweeps = noisy_picture(side), _field_prior(filters, size), compilation(compiled)

    def step() -> None:
        with sweeps():
            sm.denoise(image, SIGMA, prior, method="map", peak=1.0)

    return step


def deep_tweedie_step(side: int, layers: int, channels: int, compiled: bool) -> Step:
    """Tweedie's formula with ``E = 1/2 |N(x)|^2`` for a convolutional network ``N`` of random weights, in tiles.

    ``N`` works on the picture folded to half its size: four channels, one for each place in a square of four pixels.

    Args:
        side: Of the picture, an even number.
        layers: Convolutions of 3x3, with SiLU between them.
        channels: Of the hidden layers.
        compiled: Whether inside ``scorematching.compiled()``.
    """
    energy = deep_energy(layers, channels)
    planes, sweeps = torch.from_numpy(noisy_picture(side))[None, None], compilation(compiled)

    def step() -> Tensor:
        with sweeps():
            gradient = -_score_in_tiles(energy, F.pixel_unshuffle(planes, 2) / SIGMA, margin=2 * layers)
            return planes - SIGMA * F.pixel_shuffle(gradient, 2)

    return step


def deep_energy(layers: int, channels: int) -> sm.Sequential:
    """Half the squared norm of convolutions from four channels to four, with zeros around the picture."""
    torch.manual_seed(0)
    widths = [4, *[channels] * (layers - 1), 4]
    parts: list[sm.Layer] = []
    for inputs, outputs in itertools.pairwise(widths):
        parts += [sm.Conv2d(inputs, outputs, 3, padding=1), sm.SiLU()]
    return sm.Sequential(*parts[:-1], sm.Square(), sm.Sum(0.5))


def non_local_means_step(side: int) -> Step:
    """``skimage.restoration.denoise_nl_means``, the fast variant, patches of 5x5, at the cut-off that its users take.

    One call; the figures of quality in the other benchmarks are the best of several cut-offs.
    """
    from skimage.restoration import denoise_nl_means  # noqa: PLC0415

    image = noisy_picture(side)
    settings = {"patch_size": 5, "patch_distance": 6, "h": 0.8 * SIGMA, "sigma": SIGMA, "fast_mode": True}
    return lambda: denoise_nl_means(image, **settings)


def bm3d_step(side: int) -> Step:
    """``bm3d.bm3d`` with its usual profile, both stages."""
    import bm3d  # noqa: PLC0415  # may be missing

    image = noisy_picture(side)
    return lambda: bm3d.bm3d(image, SIGMA)


def _field_prior(filters: int, size: int) -> Prior:
    return build_prior(sm.PriorInfo("foe", size, filters, SIGMA, SIGMA, 0.0, 0, 0, "nothing", sm.__version__))


def _score_in_tiles(energy: sm.Sequential, planes: Tensor, margin: int) -> Tensor:
    """The score of pictures, (N, C, H, W), mirrored at their borders; memory does not grow with the picture."""
    padded, result = F.pad(planes, [margin] * 4, mode="reflect"), torch.empty_like(planes)
    height, width = planes.shape[2:]
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            rows, columns = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
            around = padded[..., rows.start : rows.stop + 2 * margin, columns.start : columns.stop + 2 * margin]
            found = sm.score(energy, around, check_finite=False)
            result[..., rows, columns] = found[..., margin:-margin, margin:-margin]
    return result
