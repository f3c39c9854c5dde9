"""What a prior gains from the images before and after an image, fitted to the noisy movie itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from scipy.ndimage import gaussian_filter, shift

import scorematching as sm
from benchmarks.tasks import SeedOption

#: Noise level, number of frames and side of a frame.
_SIGMA, _FRAMES, _SIDE = 25.0, 12, 256


def static(photograph: np.ndarray) -> np.ndarray:
    """Return a scene that stands still."""
    return np.stack([photograph[:_SIDE, :_SIDE]] * _FRAMES)


def slow(photograph: np.ndarray) -> np.ndarray:
    """Return a scene that moves by 0.5 pixels down and 0.7 pixels across per frame."""
    moved = [shift(photograph, (-0.5 * t, -0.7 * t), order=3, mode="mirror") for t in range(_FRAMES)]
    return np.stack(moved)[:, 8 : 8 + _SIDE, 8 : 8 + _SIDE]


def moving(photograph: np.ndarray) -> np.ndarray:
    """Return a scene in front of which a square of 80 pixels moves by 5 pixels per frame."""
    scene = static(photograph)
    for t, frame in enumerate(scene):
        frame[60 + 3 * t : 140 + 3 * t, 40 + 4 * t : 120 + 4 * t] = photograph[-80:, -80:]
    return scene


def bleaching(photograph: np.ndarray) -> np.ndarray:
    """Return the slow scene, 5 % darker in each frame."""
    return slow(photograph) * 0.95 ** np.arange(_FRAMES)[:, None, None]


def volume(photograph: np.ndarray) -> np.ndarray:
    """Return a volume of thin fibers in a microscope: blurred by 1.5 pixels across and 1.5 slices in depth."""
    random = np.random.default_rng(0)
    field = gaussian_filter(random.normal(size=(_FRAMES + 12, _SIDE, _SIDE)), (4, 6, 6))
    fibers = gaussian_filter(np.exp(-((field / field.std() / 0.15) ** 2)), (1.5, 1.5, 1.5))[6:-6]
    return 230 * fibers / fibers.max() + 10


def channels(photograph: np.ndarray) -> np.ndarray:
    """Return two channels that show the same, the second with 0.4 of the contrast."""
    scene = photograph[:_SIDE, :_SIDE]
    return np.stack([scene, 0.4 * scene + 90])


SCENES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    scene.__name__: scene for scene in (static, slow, moving, bleaching, volume, channels)
}


def neighbors(
    images: Annotated[list[Path], typer.Argument(help="Clean grayscale photographs of 270 pixels or more.")],
    scenes: Annotated[
        list[str] | None, typer.Option("--scene", help="A scene.", show_default=", ".join(SCENES))
    ] = None,
    counts: Annotated[
        list[int] | None, typer.Option("--neighbors", min=1, max=8, help="Neighbors on each side.", show_default="1, 2")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps, as with --prior self.")] = 600,
    seed: SeedOption = 0,
) -> None:
    """Print the PSNR of movies of 12 frames with noise of level 25, frame by frame and with neighbors.

    The channels are two images. Each prior is fitted to the noisy movie alone, with the default architecture. The
    limit, for the scene that stands still, is the mean of the frames, denoised by a prior that is fitted to such means.
    Changed pixels are those that differ by more than 5 from the frame before or behind. The first and last frames do
    not count.
    """
    print("| photograph | scene | neighbors | frame by frame | with neighbors | limit | changed pixels | in both |")
    print("|---|---|---|---|---|---|---|---|")
    for path in images:
        photograph = sm.read_image(path).astype(float)
        for name in scenes or SCENES:
            clean = SCENES[name](photograph)
            noisy = sm.GaussianNoise(_SIGMA).simulate(clean, seed)
            alone = _denoised(noisy, _SIGMA, 0, steps, seed)
            for count in (1,) if name == "channels" else counts or (1, 2):
                found = _denoised(noisy, _SIGMA, count, steps, seed)
                inner = slice(None) if name == "channels" else slice(count, -count)
                limit = ""
                if name == "static":
                    frames = range(count, _FRAMES - count)
                    means = np.stack([noisy[t - count : t + count + 1].mean(0) for t in frames])
                    level = _SIGMA / (2 * count + 1) ** 0.5
                    limit = f"{_psnr(clean[inner], _denoised(means, level, 0, steps, seed)):.2f}"
                whole = [_psnr(clean[inner], one[inner]) for one in (alone, found)]
                changed = _changed(clean)[inner] & (name != "channels")
                both = [_psnr(clean[inner][changed], one[inner][changed]) for one in (alone, found) if changed.any()]
                where = f"{changed.mean():.0%} | {', '.join(f'{value:.2f}' for value in both)}"
                print(
                    f"| {path.stem} | {name} | {count} | {whole[0]:.2f} | {whole[1]:.2f} | {limit} | {where} |",
                    flush=True,
                )


def _denoised(noisy: np.ndarray, sigma: float, count: int, steps: int, seed: int) -> np.ndarray:
    """Return a movie without noise, by a prior that was fitted to it."""
    model, training = sm.FieldConfig(neighbors=count), sm.TrainingConfig(steps=steps, seed=seed)
    common = {"axes": "TYX", "data_range": 255.0}
    prior = sm.fit(noisy, noise=sigma, model=model, training=training, **common).prior  # type: ignore[arg-type]
    with torch.no_grad():
        return np.asarray(sm.denoise(noisy, sigma, prior, **common))  # type: ignore[call-overload]


def _changed(clean: np.ndarray) -> np.ndarray:
    """Return which pixels differ from the frame before or behind."""
    step = np.abs(np.diff(clean, axis=0)) > 5
    changed = np.zeros(clean.shape, dtype=bool)
    changed[1:] |= step
    changed[:-1] |= step
    return changed


def _psnr(clean: np.ndarray, restored: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(clean - restored).mean()))
