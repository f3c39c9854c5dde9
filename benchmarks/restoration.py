"""Quality and time of restoration with priors, compared with other methods: denoising and enlarging."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track

import scorematching as sm
from benchmarks.machine import machine
from benchmarks.tasks import FOLDER, OutputOption, Record, SeedOption, write_figures
from scorematching.cli.console import console, errors
from scorematching.images import find_images, to_planes
from scorematching.priors import SHIPPED
from scorematching.restoration import BicubicDownsampling
from scorematching.restoration.classics import non_local_means, total_variation
from scorematching.restoration.operators import bicubic_upscale

#: Method that restores a noisy image, given the noise level, and the clean image to choose the best setting.
Method = Callable[[np.ndarray, float, np.ndarray], np.ndarray]


@dataclass
class Score:
    """Mean PSNR in dB, mean SSIM, and median time per image in seconds."""

    psnr: float
    ssim: float
    seconds: float


def restoration(
    data: Annotated[Path | None, typer.Argument(help="Folder with the usual test sets BSD68, Set12 and Set5.")] = None,
    prior: Annotated[
        list[Path] | None,
        typer.Option(
            "--prior", help="Prior file, or name of an included prior; may be repeated.", show_default="all included"
        ),
    ] = None,
    denoise: Annotated[
        list[Path] | None, typer.Option(help="Folder of clean grayscale images to denoise; may be repeated.")
    ] = None,
    color: Annotated[Path | None, typer.Option(help="Folder of clean color images to denoise.")] = None,
    enlarge: Annotated[Path | None, typer.Option(help="Folder of images to shrink and enlarge again.")] = None,
    sigma: Annotated[
        list[float] | None, typer.Option(help="Noise levels on the 0-255 scale.", show_default="15, 25, 50")
    ] = None,
    factor: Annotated[list[int] | None, typer.Option(help="Enlargement factors.", show_default="2, 3, 4")] = None,
    eight: Annotated[bool, typer.Option("--eight-bit", help="Round and clip the noisy images to 8 bits.")] = False,
    only: Annotated[int | None, typer.Option(min=1, help="Maximum number of images per folder.")] = None,
    others: Annotated[bool, typer.Option(help="Also run BM3D, non-local means and total variation (slow).")] = True,
    seed: SeedOption = 0,
    output: OutputOption = FOLDER,
) -> None:
    """Measure mean PSNR and SSIM of priors, BM3D, non-local means, total variation and bicubic interpolation.

    The noise is white and Gaussian, with its own seed for each image. It is not clipped or rounded, unless --eight-bit
    is given. Results are clipped to the range. For enlarging, images are shrunk by bicubic interpolation with
    antialiasing and rounded to 8 bits; the luminance is scored, without a border of as many pixels as the factor.
    Non-local means and total variation use the best setting for each clean image. With DATA, BSD68 and Set12 are used
    for grayscale images, and Set5 for color images and enlarging.
    """
    console.print(machine(), soft_wrap=True, highlight=False)
    if data is not None:
        denoise, color, enlarge = [data / "BSD68", data / "Set12"], data / "Set5", data / "Set5"
    if not (denoise or color or enlarge):
        raise typer.BadParameter("expected DATA, a folder with BSD68, Set12 and Set5, or --denoise, --color, --enlarge")
    named = [Path(name) for name in SHIPPED] if prior is None else prior
    priors = {path.stem: sm.load_prior(path) for path in named}
    gray = {name: one for name, one in priors.items() if one.config.colors == 1}
    if len(priors) < len(named) or (not gray and (denoise or enlarge)):
        raise typer.BadParameter(
            "expected prior files with different names, and a grayscale prior for --denoise and --enlarge"
        )
    records: list[Record] = []
    sets = [(folder, False) for folder in denoise or ()] + ([] if color is None else [(color, True)])
    for folder, colored in sets:
        read = _colors if colored else _luminance
        images = [read(path) for path in find_images([folder])[:only]]
        for level in sigma or (15.0, 25.0, 50.0):
            methods: dict[str, Method] = {"noisy": _unchanged}
            for name, one in (priors if colored else gray).items():
                methods |= _by_prior(name, one, colored)
            if others:
                methods |= _others(colored)
            kind = f"{', color' if colored else ''}{', 8 bit' if eight else ''}"
            found = _denoised(images, level / 255, methods, seed, eight)
            records.append(_table(f"{folder.name}{kind}, sigma {level:g}", found))
    if enlarge is not None:
        images = [_luminance(path) for path in find_images([enlarge])[:only]]
        for times in factor or (2, 3, 4):
            records.append(_table(f"{enlarge.name}, enlarged by {times}", _enlarged(images, times, gray)))
    write_figures(output, "restoration", {"restoration": records})


def _by_prior(name: str, prior: sm.Prior, colored: bool) -> dict[str, Method]:
    """Return the methods of a prior: plain, with self-ensemble, and for color images channel by channel."""

    def work(noisy: np.ndarray, sigma: float, _: np.ndarray, self_ensemble: bool = False) -> np.ndarray:
        return sm.denoise(noisy, sigma, prior, self_ensemble=self_ensemble, data_range=1.0)

    methods: dict[str, Method] = {name: work, f"{name}, self-ensemble": partial(work, self_ensemble=True)}
    if colored and prior.config.colors == 1:
        methods[f"{name}, per channel"] = _by_channels(work)
    return methods


def _by_channels(method: Method) -> Method:
    """Return a method that treats each color channel separately."""

    def work(noisy: np.ndarray, sigma: float, clean: np.ndarray) -> np.ndarray:
        return np.dstack([method(noisy[..., c], sigma, clean[..., c]) for c in range(noisy.shape[2])])

    return work


def _unchanged(noisy: np.ndarray, sigma: float, clean: np.ndarray) -> np.ndarray:
    """Return the noisy image."""
    return noisy


def _others(colored: bool) -> dict[str, Method]:
    """Return the methods of other libraries that are installed."""
    found: dict[str, Method] = {}
    try:
        import bm3d  # may be missing
    except ModuleNotFoundError:
        errors.print("BM3D is not installed: pip install 'scorematching[peers]'")
    else:
        one: Method = lambda noisy, sigma, _: bm3d.bm3d(noisy, sigma)  # noqa: E731
        found["BM3D, per channel"] = _by_channels(one)
        found["BM3D, color"] = lambda noisy, sigma, _: bm3d.bm3d_rgb(noisy, sigma)
        found = found if colored else {"BM3D": one}
    return {**found, "non-local means, best": non_local_means, "total variation, best": total_variation}


def _denoised(
    images: Sequence[np.ndarray], sigma: float, methods: dict[str, Method], seed: int, eight: bool
) -> dict[str, Score]:
    """Add noise to images, denoise them by each method, and return the scores."""
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in methods}
    for i, clean in enumerate(track(images, f"sigma {255 * sigma:g}", console=errors)):
        noise = np.random.default_rng((seed, i)).normal(0, sigma, clean.shape)
        noisy = (clean + noise).astype(np.float32)
        if eight:
            noisy = np.rint(255 * noisy.clip(0, 1)) / np.float32(255)
        for name, method in methods.items():
            start = time.perf_counter()
            restored = method(noisy, sigma, clean)
            seconds = time.perf_counter() - start
            rows[name].append((sm.psnr(clean, restored), sm.images.ssim(clean, restored), seconds))
    return {name: _score(row) for name, row in rows.items()}


def _enlarged(images: Sequence[np.ndarray], factor: int, priors: dict[str, sm.Prior]) -> dict[str, Score]:
    """Shrink images, enlarge them by each method, and return the scores."""

    def enlarge(small: np.ndarray, prior: sm.Prior) -> np.ndarray:
        return sm.upscale(small, factor, prior) / np.float32(255)

    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "bicubic": lambda small: bicubic_upscale(to_planes(small).data, factor)[0, 0].numpy(),
        **{name: partial(enlarge, prior=prior) for name, prior in priors.items()},
    }
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in methods}
    for image in track(images, f"enlarging by {factor}", console=errors):
        height, width = (n - n % factor for n in image.shape)
        clean = image[:height, :width]
        shrunk = BicubicDownsampling(factor, (height, width))(torch.from_numpy(clean)[None, None])
        small = np.rint(255 * shrunk[0, 0].numpy().clip(0, 1)).astype(np.uint8)
        inner = (slice(factor, -factor),) * 2
        for name, method in methods.items():
            start = time.perf_counter()
            large = method(small)
            seconds = time.perf_counter() - start
            rows[name].append(
                (sm.psnr(clean[inner], large[inner]), sm.images.ssim(clean[inner], large[inner]), seconds)
            )
    return {name: _score(row) for name, row in rows.items()}


def _score(rows: Sequence[tuple[float, float, float]]) -> Score:
    """Average PSNR, SSIM and seconds over images."""
    psnr, ssim, seconds = np.array(rows).T
    return Score(float(psnr.mean()), float(ssim.mean()), float(np.median(seconds)))


def _table(title: str, scores: dict[str, Score]) -> Record:
    """Print a table of scores and return its record."""
    lines = [f"| {title} | PSNR (dB) | SSIM | s per image |", "|---|---|---|---|"]
    lines += [f"| {name} | {s.psnr:.2f} | {s.ssim:.3f} | {s.seconds:.2f} |" for name, s in scores.items()]
    print("\n" + "\n".join(lines), flush=True)
    return {"title": title, "scores": {name: vars(score) for name, score in scores.items()}}


def _colors(path: Path) -> np.ndarray:
    """Read a color image, shape (H, W, 3), with white at 1."""
    return np.moveaxis(to_planes(sm.read_image(path)).data[:, 0].numpy(), 0, 2)


def _luminance(path: Path) -> np.ndarray:
    """Read a grayscale image, or the luminance of a color image (Y of ITU-R BT.601, 16 to 235), with white at 1."""
    planes = to_planes(sm.read_image(path)).data[:, 0].numpy()
    if len(planes) == 1:
        return planes[0]
    red, green, blue = planes
    return ((65.481 * red + 128.553 * green + 24.966 * blue + 16) / 255).astype(np.float32)
