"""Real noise: photographs whose clean version is the mean of many shots, denoised with no setting."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import scorematching as sm
from benchmarks.image_peers import Denoiser, at_best_level, bm3d, bm3d_with_noise, installed, noise2vst
from benchmarks.tasks import MethodOption, PriorOption, chosen
from scorematching.images import ssim
from scorematching.restoration.classics import non_local_means

#: Levels of which the best for each image is taken, for methods that need one.
_LEVELS = (3.0, 5.0, 7.0, 10.0, 14.0, 20.0)
#: Ends of the names of a noisy image and of its clean version.
_NOISY, _CLEAN = "_real", "_mean"


def real(
    folder: Annotated[Path, typer.Argument(help="Folder with pairs of images, *_real and *_mean.")],
    prior: PriorOption = "natural-color",
    images: Annotated[int | None, typer.Option("--images", min=1, help="Take the first images only.")] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Also run non-local means, BM3D and Noise2VST.")] = False,
    method: MethodOption = None,
) -> None:
    """Print PSNR and SSIM of real noisy photographs, and the seconds that each method takes.

    "no setting" finds the noise. The methods with a "best level" have the level of six that suits the clean version
    best, which a user does not know. "BM3D, our spectrum" gets the spectrum that this library finds, for each channel.
    Noise2VST finds its own transform, around the prior. It takes several minutes per image. BM3D and Noise2VST are
    left out if they are not installed.
    """
    methods = chosen(_methods(sm.load_prior(prior), peers), method)
    print(f"| photograph | noisy | {' | '.join(methods)} |\n|---|---{'|---' * len(methods)}|")
    rows = []
    for path in sorted(folder.glob(f"*{_NOISY}.*"))[:images]:
        noisy, clean = sm.read_image(path), sm.read_image(path.with_name(path.name.replace(_NOISY, _CLEAN)))
        noise, row = sm.estimate_noise(noisy, prior), [(sm.psnr(clean, noisy), _similar(clean, noisy), 0.0)]
        for denoiser in methods.values():
            start = time.perf_counter()
            found = denoiser(noisy, noise, clean)
            found = np.rint(found.clip(0, 255)).astype(np.uint8)
            row.append((sm.psnr(clean, found), _similar(clean, found), time.perf_counter() - start))
        rows.append(row)
        print(f"| {path.stem} | {' | '.join(_shown(*figures) for figures in row)} |", flush=True)
    if rows:
        print(f"| **mean** | {' | '.join(_shown(*figures) for figures in np.mean(rows, 0))} |")


def _methods(prior: sm.Prior, peers: bool) -> dict[str, Denoiser]:
    """Return the methods. Each takes the noisy image, its estimated noise, and the clean image for best levels."""
    methods: dict[str, Denoiser] = {
        "no setting": lambda noisy, _, __: sm.denoise(noisy, prior=prior),
        "the prior, best level": at_best_level(lambda noisy, level: sm.denoise(noisy, level, prior), _LEVELS),
    }
    if peers:
        methods["non-local means, best level"] = lambda noisy, _, clean: max(
            (255 * non_local_means(noisy / 255.0, level / 255, clean / 255.0) for level in _LEVELS[1::2]),
            key=lambda x: sm.psnr(clean, x, data_range=255),
        )
    if peers and installed("bm3d", "pip install 'scorematching[peers]'"):
        methods["BM3D, best level"] = at_best_level(bm3d, _LEVELS)
        methods["BM3D, our spectrum"] = lambda noisy, noise, _: bm3d_with_noise(noisy, noise)
    if peers and installed("noise2vst.models.noise2vst", "pip install --no-deps noise2vst"):
        methods["Noise2VST, the prior"] = noise2vst(prior)
    return methods


def _similar(clean: np.ndarray, found: np.ndarray) -> float:
    return ssim(clean / 255.0, found / 255.0)


def _shown(quality: float, similar: float, seconds: float) -> str:
    return f"{quality:.2f}, {similar:.3f}" + (f", {seconds:.0f} s" if seconds else "")
