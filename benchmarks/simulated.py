"""Simulated noise of cameras on clean photographs: denoised with no setting, and with the true noise."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

import scorematching as sm
from benchmarks.error_bars import middle
from benchmarks.image_peers import at_best_level, bm3d, bm3d_with_noise, installed, noise2vst
from benchmarks.simulated_noise import Case, cases
from benchmarks.tasks import CropOption, MethodOption, SeedOption, chosen
from scorematching.cli.console import errors
from scorematching.images import find_images
from scorematching.noise import NoiseModel

#: Noise levels that BM3D tries, relative to the root mean square of the noise.
_SHARES = (0.7, 1.0, 1.4)
#: Names of the noise models that are found.
_KINDS = {"GaussianNoise": "white", "CorrelatedNoise": "correlated", "PoissonGaussianNoise": "photons"}
_OURS = ("no setting", "told")


def simulated(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of clean images, all gray or all color.")],
    prior: Annotated[
        str | None,
        typer.Option(help="Prior file, or name of an included prior.", show_default="the natural one for the images"),
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, help="Maximum number of images.", show_default="all")] = None,
    crop: CropOption = None,
    peers: Annotated[bool, typer.Option("--peers", help="Also run BM3D and Noise2VST.")] = False,
    case: Annotated[
        list[str] | None,
        typer.Option("--case", metavar="TEXT", help="Run only kinds of noise whose names contain this."),
    ] = None,
    method: MethodOption = None,
    seed: SeedOption = 0,
) -> None:
    """Print the mean PSNR of clean images with simulated noise, for methods that find the noise or are told.

    The kinds of noise are white noise; photons, with a read noise of one photon; white noise, blurred; JPEG files of
    images with white noise; and for color images white noise of a Bayer mosaic, demosaiced bilinearly. Only JPEG files
    are rounded and clipped.

    "no setting" finds the noise. "told" gets the true numbers of photons, or the autocovariance of the noisy minus the
    clean image. "difference" is "no setting" minus "told", and "worst" that of the worst image. "found" counts the
    noise models that were found. "BM3D, best level" has the level of three that suits the clean image best. "BM3D, our
    noise" gets the noise that this library finds: a level, a spectrum, or photons, with the Anscombe transform.
    Noise2VST takes minutes per image. BM3D and Noise2VST are left out if they are not installed.
    """
    clean = [middle(sm.read_image(path), crop) for path in find_images([data])[:images]]
    model = sm.load_prior(prior or ("natural-color" if clean[0].ndim == 3 else "natural-gray"))
    names = chosen(dict.fromkeys((*_OURS, *_peers(peers))), method)
    print(f"| {len(clean)} images | noisy | {' | '.join(names)} | difference | worst | found |")
    print(f"|---|---|{'---|' * len(names)}---|---|---|")
    for kind in chosen(cases(clean[0].ndim == 3), case).values():
        rows, found = [], Counter[str]()
        for number, image in enumerate(track(clean, kind.name, console=errors)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that the noise may be grain
                scores, noise = _scores(image, kind, model, list(names), np.random.default_rng((seed, number)))
            rows.append(scores)
            found[_KINDS[type(noise).__name__]] += 1
        print(f"| {kind.name} | {' | '.join(_cells(np.array(rows), list(names)))} | {_listed(found)} |", flush=True)


def _peers(wanted: bool) -> list[str]:
    """Return the names of the methods of other libraries that are installed."""
    found: list[str] = []
    if wanted and installed("bm3d", "pip install 'scorematching[peers]'"):
        found += ["BM3D, best level", "BM3D, our noise"]
    if wanted and installed("noise2vst.models.noise2vst", "pip install --no-deps noise2vst"):
        found += ["Noise2VST, the prior"]
    return found


def _scores(
    clean: np.ndarray, case: Case, prior: sm.Prior, names: list[str], random: np.random.Generator
) -> tuple[list[float], NoiseModel]:
    """Return the PSNR of a noisy image and of each method, and the noise that was found."""
    noisy = case.add(clean.astype(float), random)
    found = sm.estimate_noise(noisy, prior)  # as sm.denoise does
    rms = float(np.sqrt(np.mean((noisy - clean.astype(float)) ** 2)))
    methods = {
        "no setting": lambda: sm.denoise(noisy, found, prior),
        "told": lambda: sm.denoise(noisy, case.told(noisy, clean), prior),
        "BM3D, best level": lambda: at_best_level(bm3d, tuple(rms * s for s in _SHARES))(noisy, found, clean),
        "BM3D, our noise": lambda: bm3d_with_noise(noisy, found),
        "Noise2VST, the prior": lambda: noise2vst(prior)(noisy, found, clean),
    }
    return [sm.psnr(clean, x, data_range=255) for x in (noisy, *(methods[name]() for name in names))], found


def _cells(rows: np.ndarray, names: list[str]) -> list[str]:
    """Return the mean PSNR of the noisy images and of each method, and the difference of ours."""
    cells = [f"{mean:.2f}" for mean in rows.mean(0)]
    if not set(_OURS) <= set(names):
        return [*cells, "", ""]
    difference = rows[:, 1 + names.index("no setting")] - rows[:, 1 + names.index("told")]
    return [*cells, f"{difference.mean():+.2f}", f"{difference.min():+.2f}"]


def _listed(found: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in found.most_common())
