"""Removal of photon noise: with the Poisson noise model, or with one noise level for all pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import scorematching as sm
from benchmarks.tasks import PriorOption, SeedOption
from scorematching.images import ssim
from scorematching.images.photographs import HELD_OUT, held_out_photograph
from scorematching.plotting.figures import draw_side_by_side
from scorematching.restoration.classics import non_local_means

#: Noise levels that are tried where one level is assumed, relative to the root mean square of the noise.
_SHARES = (0.7, 0.85, 1.0, 1.3)
_METHODS = ("one level, non-local means", "one level, the prior", "gain, the prior")


def low_light(
    prior: PriorOption = "natural-gray",
    photons: Annotated[
        list[float] | None, typer.Option(help="Mean number of photons in a white pixel.", show_default="5, 20, 100")
    ] = None,
    read: Annotated[float, typer.Option(help="Standard deviation of the read noise, in photons.")] = 0.0,
    images: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder to draw the results to.")] = None,
    seed: SeedOption = 0,
) -> None:
    """Print PSNR and SSIM of crops of 200 x 200 pixels of the held-out photographs, with few photons per pixel.

    The methods that assume one noise level use the best of four levels for each clean image, which a user would not
    know. Results are clipped to the range.
    """
    model = sm.load_prior(prior)
    print(f"| photons | photograph | {' | '.join(('noisy', *_METHODS))} |\n|---|---|---{'|---' * len(_METHODS)}|")
    for white in photons or (5, 20, 100):
        for number, name in enumerate(HELD_OUT):
            clean = held_out_photograph(name)[40:240, 100:300]
            random = np.random.default_rng((seed, number))
            noisy = (random.poisson(white * clean) + random.normal(0, read, clean.shape)) / white
            results = {"noisy": noisy} | dict(zip(_METHODS, _restored(clean, noisy, white, read, model), strict=True))
            scores = [f"{sm.psnr(clean, x):.2f}, {ssim(clean, x):.3f}" for x in results.values()]
            print(f"| {white:g} | {name} | {' | '.join(scores)} |", flush=True)
            if images is not None:
                draw_side_by_side({"clean": clean, **results}, images / f"{name}-{white:g}.png")


def _restored(
    clean: np.ndarray, noisy: np.ndarray, white: float, read: float, model: sm.Prior
) -> tuple[np.ndarray, ...]:
    """Return the photograph denoised by each of ``_METHODS``."""
    whole = float(np.sqrt(np.mean(clean) / white + (read / white) ** 2))
    single = [sm.denoise(noisy, share * whole, model, data_range=1.0) for share in _SHARES]
    return (
        non_local_means(noisy, whole, clean),
        max(single, key=lambda x: sm.psnr(clean, x)),
        sm.denoise(noisy, sm.PoissonGaussianNoise(gain=1 / white, sigma=read / white), model, data_range=1.0),
    )
