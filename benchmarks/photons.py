"""Photon noise found from one image and from ten frames, compared with the true parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

import scorematching as sm
from benchmarks.machine import machine
from benchmarks.tasks import PriorOption, SeedOption
from scorematching.cli.console import console
from scorematching.noise import NoiseEstimate, noise_of_frames
from scorematching.restoration import estimate_photon_noise

#: Numbers of photons in a white pixel, each with the read noises in photons.
_SETTINGS = ((5, 0), (5, 2), (5, 5), (20, 0), (20, 2), (100, 0), (100, 5), (1000, 0), (1000, 5))
_GAINS, _OFFSETS, _FRAMES = (0.5, 3.0, 20.0), (0.0, 100.0), 10
_HEADER = (
    "photons, read noise | told, dB | image, dB | image, worst | frames, dB | image, gain error | image, covered | "
    "frames, gain error | frames, relative to bound | frames, covered"
)


class _Score(NamedTuple):
    """Results of one image: relative error of the gain, whether its interval covers, and the loss in dB."""

    error: float
    covered: bool
    loss: float


def photons(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of clean grayscale images, such as Set12.")],
    prior: PriorOption = "natural-gray",
    images: Annotated[int, typer.Option(min=1, help="Number of images.")] = 12,
    seed: SeedOption = 0,
) -> None:
    """Print how well photon noise is found in crops of 256 x 256 pixels, from one image and from ten frames.

    The columns are the loss of PSNR when an image is denoised with the found noise instead of the true one, the median
    relative error of the gain, and how many 95 % intervals cover it. Gains are 0.5, 3 and 20, and offsets 0 and 100, in
    turn. A gain that is not found counts as an error of 100 %. The Cramér-Rao bound is that of Gaussian noise with this
    variance, of known brightness.
    """
    console.print(machine(), soft_wrap=True, highlight=False)
    model = sm.load_prior(prior)
    files = sorted(data.glob("*.png"))[:images]
    print(f"| {_HEADER} |\n|{'---|' * 10}")
    for white, read in _SETTINGS:
        told, single, several, bounds = [], [], [], []
        for number, file in enumerate(files):
            gain, offset = _GAINS[number % 3], _OFFSETS[number % 2]
            clean = np.asarray(sm.read_image(file), dtype=float)[:256, :256] / 255 * white * gain + offset
            noise = sm.PoissonGaussianNoise(gain, offset, read * gain)
            first = (seed * len(files) + number) * _FRAMES
            frames = np.stack([noise.simulate(clean, first + k) for k in range(_FRAMES)])
            span = offset + gain * white

            def decibels(found: sm.noise.NoiseModel) -> float:
                restored = sm.denoise(frames[0], found, model, data_range=span)  # noqa: B023
                return sm.psnr(clean - offset, restored - offset, data_range=gain * white)  # noqa: B023

            best = decibels(noise)
            told.append(best)
            found = estimate_photon_noise(frames[0], model, data_range=span)
            single.append(_score(found, gain, decibels(found.noise) - best))
            found = noise_of_frames(frames)
            several.append(_score(found, gain, decibels(found.noise) - best))
            bounds.append(_bound(clean, noise) / gain)
        _print_row(f"{white}, {read}", told, single, several, bounds)


def _print_row(name: str, told: list[float], single: list[_Score], several: list[_Score], bounds: list[float]) -> None:
    one, ten = (np.array(scores, dtype=float).T for scores in (single, several))
    ratio = float(np.sqrt(np.mean(ten[0] ** 2) / np.mean(np.square(bounds))))
    cells = [
        f"{np.mean(told):.2f}",
        f"{one[2].mean():+.2f}",
        f"{one[2].min():+.2f}",
        f"{ten[2].mean():+.3f}",
        f"{np.median(np.abs(one[0])):.1%}",
        f"{one[1].mean():.0%}",
        f"{np.median(np.abs(ten[0])):.1%}",
        f"{ratio:.2f}" if np.isfinite(ratio) else "-",
        f"{ten[1].mean():.0%}",
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _score(found: NoiseEstimate, gain: float, loss: float) -> _Score:
    if not isinstance(found.noise, sm.PoissonGaussianNoise):
        return _Score(1.0, False, loss)
    error = found.noise.gain - gain
    return _Score(error / gain, abs(error) < 1.96 * found.standard_errors["gain"], loss)


def _bound(clean: np.ndarray, noise: sm.PoissonGaussianNoise) -> float:
    """Return the lower bound on the standard error of the gain: that of the variances of ten frames."""
    variance = noise.gain * (clean - noise.offset) + noise.sigma**2
    if variance.min() <= 0:
        return 0.0  # pixels without noise tell the offset exactly
    design = np.stack([clean.ravel(), np.ones(clean.size)], 1) / variance.ravel()[:, None]
    return float(np.sqrt(np.linalg.inv((_FRAMES - 1) / 2 * design.T @ design)[0, 0]))
