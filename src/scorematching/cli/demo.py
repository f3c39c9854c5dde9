"""``scorematching demo``: learn from noisy photographs, then denoise and enlarge others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.table import Table

import scorematching as sm
from scorematching.cli.common import DeviceOption, SeedOption, check_device, console, fit_bar, step_bar
from scorematching.images import to_planes
from scorematching.images.photographs import TRAINING, held_out_photograph, training_photographs
from scorematching.plotting import figures as report
from scorematching.plotting.portrait import draw_prior, photograph_for
from scorematching.restoration.baselines import non_local_means, total_variation
from scorematching.restoration.operators import bicubic_upscale

SIGMA = 25 / 255


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.")] = Path("demo"),
    steps: Annotated[int, typer.Option("--steps", min=1, help="Of the training.")] = 1500,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Learn a prior from noisy photographs alone; denoise one that it has not seen, and enlarge another.

    The photographs come with scikit-image and scikit-learn; nothing is downloaded. Noise of level 25 is added to
    them once, and the clean ones are put away: the prior, a field of 48 experts, never sees them. It takes under
    three minutes on two cores.
    """
    where = check_device(device)
    if not output.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {output.parent}")
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"{output} is a file, expected a folder to write to")
    noisy = [_with_noise(image, seed, number) for number, image in enumerate(training_photographs())]
    console.print(f"learning from {len(noisy)} photographs with noise of level 25, and no clean one")
    with fit_bar("fitting") as progress:
        result = sm.fit(
            noisy,
            sigma=SIGMA,
            noisy=True,
            filters=48,
            size=7,
            steps=steps,
            seed=seed,
            device=where,
            progress=progress,
        )
    output.mkdir(exist_ok=True)
    sm.save_prior(result.prior, output / "prior.safetensors")
    draw_prior(result.prior, output / "prior.png", photograph_for(result.prior, seed))
    report.draw_history(result.history, output / "loss.png")
    _denoise(result.prior, output, seed, where)
    _enlarge(result.prior, output, where)
    if result.expected_psnr is not None:
        console.print(
            f"PSNR of denoising by Stein's estimate, from noisy held-out images alone: {result.expected_psnr:.2f} dB"
        )
    console.print(f"wrote prior.safetensors and the images to {output}/", highlight=False)


def _with_noise(image: np.ndarray, seed: int, number: int) -> np.ndarray:
    noise = np.random.default_rng((seed, 1000 + number)).normal(0, SIGMA, image.shape)
    return (image + noise).astype(np.float32)


def _denoise(prior: sm.Prior, output: Path, seed: int, device: torch.device) -> None:
    clean = held_out_photograph("chelsea")
    noisy = _with_noise(clean, seed, len(TRAINING))
    images = {
        "clean": clean,
        "noisy": noisy,
        "total variation": total_variation(noisy, SIGMA, clean),
        "non-local means": non_local_means(noisy, SIGMA, clean),
        "scorematching": sm.denoise(noisy, SIGMA, prior, data_range=1.0, device=device),
    }
    _tell("noise of level 25 removed", images, output / "denoised.png", border=0)
    for name in ("clean", "noisy", "scorematching"):
        sm.write_image(output / f"denoised-{name}.png", _as_bytes(images[name]))


def _enlarge(prior: sm.Prior, output: Path, device: torch.device) -> None:
    clean = held_out_photograph("astronaut")[:256, 96:352]
    shrink = sm.restoration.BicubicDownsampling(2, (256, 256))
    small = _as_bytes(shrink(to_planes(clean, data_range=1.0).data)[0, 0].numpy())
    bicubic = bicubic_upscale(to_planes(small).data, 2)[0, 0].numpy()
    with step_bar("enlarging") as step:
        ours = sm.upscale(small, 2, prior, device=device, progress=step) / 255
    images = {"clean": clean, "bicubic": bicubic, "scorematching": ours}
    _tell("enlarged by 2", images, output / "enlarged.png", border=2)
    sm.write_image(output / "enlarged-small.png", small)
    sm.write_image(output / "enlarged-scorematching.png", _as_bytes(ours))


def _tell(title: str, images: dict[str, np.ndarray], target: Path, border: int) -> None:
    """Print PSNR and SSIM of all images against the clean one, and draw them side by side."""
    inner = (slice(border, -border or None),) * 2
    clean = images["clean"][inner]
    table = Table(title, "PSNR (dB)", "SSIM")
    captions = {"clean": "clean"}
    for name in list(images)[1:]:
        quality = sm.psnr(clean, images[name][inner]), sm.images.ssim(clean, images[name][inner])
        table.add_row(name, f"{quality[0]:.2f}", f"{quality[1]:.3f}")
        captions[name] = f"{name}: {quality[0]:.2f} dB"
    console.print(table)
    report.draw_side_by_side({captions[name]: image for name, image in images.items()}, target)


def _as_bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
