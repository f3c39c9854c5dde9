"""Real noise: photographs whose clean version is the mean of many shots, denoised with no setting."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

import scorematching as sm
from benchmarks.tasks import PriorOption
from scorematching.images import ssim
from scorematching.images.arrays import to_planes
from scorematching.noise import NoiseModel
from scorematching.restoration.classics import non_local_means

#: Levels of which the best for each image is taken, for methods that need one.
_LEVELS = (3.0, 5.0, 7.0, 10.0, 14.0, 20.0)
#: Ends of the names of a noisy image and of its clean version.
_NOISY, _CLEAN = "_real", "_mean"
_Denoiser = Callable[[np.ndarray, NoiseModel, np.ndarray], np.ndarray]


def real(
    folder: Annotated[Path, typer.Argument(help="Folder with pairs of images, *_real and *_mean.")],
    prior: PriorOption = "natural-color",
    images: Annotated[int | None, typer.Option("--images", min=1, help="Take the first images only.")] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Also run BM3D, if installed, and non-local means.")] = False,
) -> None:
    """Print PSNR and SSIM of real noisy photographs, and the seconds that each method takes.

    "no setting" finds the noise. The methods with a "best level" have the level of six that suits the clean version
    best, which a user does not know. "BM3D, our spectrum" gets the spectrum that this library finds, for each channel.
    """
    methods = _methods(sm.load_prior(prior), peers)
    print(f"| photograph | noisy | {' | '.join(methods)} |\n|---|---{'|---' * len(methods)}|")
    rows = []
    for path in sorted(folder.glob(f"*{_NOISY}.*"))[:images]:
        noisy, clean = sm.read_image(path), sm.read_image(path.with_name(path.name.replace(_NOISY, _CLEAN)))
        noise, row = sm.estimate_noise(noisy, prior), [(sm.psnr(clean, noisy), _similar(clean, noisy), 0.0)]
        for denoiser in methods.values():
            start = time.perf_counter()
            found = denoiser(noisy, noise, clean)
            found = np.rint(found).astype(np.uint8)
            row.append((sm.psnr(clean, found), _similar(clean, found), time.perf_counter() - start))
        rows.append(row)
        print(f"| {path.stem} | {' | '.join(_shown(*figures) for figures in row)} |", flush=True)
    if rows:
        print(f"| **mean** | {' | '.join(_shown(*figures) for figures in np.mean(rows, 0))} |")


def _methods(prior: sm.Prior, peers: bool) -> dict[str, _Denoiser]:
    """Return the methods. Each takes the noisy image, its estimated noise, and the clean image for best levels."""

    def best(denoiser: Callable[[np.ndarray, float], np.ndarray]) -> _Denoiser:
        def with_best_level(noisy: np.ndarray, _: NoiseModel, clean: np.ndarray) -> np.ndarray:
            return max((denoiser(noisy, level) for level in _LEVELS), key=lambda x: sm.psnr(clean, x))

        return with_best_level

    methods: dict[str, _Denoiser] = {
        "no setting": lambda noisy, _, __: sm.denoise(noisy, prior=prior),
        "the prior, best level": best(lambda noisy, level: sm.denoise(noisy, level, prior)),
    }
    if peers:
        methods["non-local means, best level"] = lambda noisy, _, clean: max(
            (255 * non_local_means(noisy / 255.0, level / 255, clean / 255.0) for level in _LEVELS[1::2]),
            key=lambda x: sm.psnr(clean, x, data_range=255),
        )
        methods["BM3D, best level"] = best(_bm3d)
        methods["BM3D, our spectrum"] = lambda noisy, noise, _: _bm3d(noisy, _spectrum(noise, noisy))
    return methods


def _bm3d(noisy: np.ndarray, noise: float | np.ndarray) -> np.ndarray:
    """Return the result of ``bm3d.bm3d_rgb``, for a level or a spectral density of shape (H, W, 3)."""
    import bm3d  # may be missing

    vars(np).setdefault("trapz", np.trapezoid)  # bm3d 4.0.3 uses the name before NumPy 2.4
    found = bm3d.bm3d_rgb(noisy.astype(np.float64) / 255, noise / 255 if isinstance(noise, float) else noise / 255**2)
    return np.rint(255 * np.clip(found, 0, 1)).astype(np.uint8)


def _spectrum(noise: NoiseModel, image: np.ndarray) -> np.ndarray:
    """Return the spectral density of each channel, times the number of pixels as BM3D counts it, (H, W, 3)."""
    planes = to_planes(image).data
    impulse = torch.zeros_like(planes)
    impulse[..., planes.shape[2] // 2, planes.shape[3] // 2] = 1
    channels = []
    for channel in range(len(planes)):
        alone = torch.zeros_like(planes)
        alone[channel] = impulse[channel]
        row = noise.covariance(planes, 1.0).apply(alone)[channel, 0]
        channels.append(np.abs(np.fft.fft2(row.numpy())) * row.numel())
    return np.stack(channels, 2)


def _similar(clean: np.ndarray, found: np.ndarray) -> float:
    return ssim(clean / 255.0, found / 255.0)


def _shown(quality: float, similar: float, seconds: float) -> str:
    return f"{quality:.2f}, {similar:.3f}" + (f", {seconds:.0f} s" if seconds else "")
