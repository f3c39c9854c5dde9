"""The work of ``scorematching demo``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from rich.table import Table

import scorematching as sm
from scorematching.cli.console import console, progress_bar, say
from scorematching.images import ssim, to_planes
from scorematching.images.photographs import TRAINING, held_out_photograph, training_photographs
from scorematching.plotting import draw_history, draw_prior, draw_side_by_side
from scorematching.plotting.portrait import photograph_for
from scorematching.restoration import BicubicDownsampling
from scorematching.restoration.classics import non_local_means, total_variation
from scorematching.restoration.operators import bicubic_upscale

#: Noise level, with white at 1.
_SIGMA = 25 / 255


def demonstrate(output: Path, steps: int, seed: int, device: torch.device) -> None:
    """Fit a prior, denoise, and enlarge; print tables, and write the results to a folder."""
    noisy = [_with_noise(image, seed, number) for number, image in enumerate(training_photographs())]
    say(f"fitting to {len(noisy)} photographs with noise of level 25, and no clean one")
    with progress_bar("fitting", transient=False) as progress:
        result = sm.fit(
            noisy,
            noise=_SIGMA,
            model=sm.FieldConfig(filters=48, size=7),
            training=sm.TrainingConfig(steps=steps, seed=seed),
            device=device,
            progress=progress,
        )
    output.mkdir(exist_ok=True)
    sm.save_prior(result.prior, output / "prior.safetensors")
    draw_prior(result.prior, output / "prior.png", photograph_for(result.prior, seed))
    draw_history(result.history, output / "loss.png")
    _denoise(result.prior, output, seed, device)
    _enlarge(result.prior, output, device)
    if result.expected_psnr is not None:
        say(f"PSNR of denoising by Stein's estimate, from held-out noisy images alone: {result.expected_psnr:.2f} dB")
    say(f"wrote prior.safetensors and the images to {output}/")


def _with_noise(image: np.ndarray, seed: int, number: int) -> np.ndarray:
    noise = np.random.default_rng((seed, 1000 + number)).normal(0, _SIGMA, image.shape)
    return (image + noise).astype(np.float32)


def _denoise(prior: sm.Prior, output: Path, seed: int, device: torch.device) -> None:
    clean = held_out_photograph("chelsea")
    noisy = _with_noise(clean, seed, len(TRAINING))
    images = {
        "clean": clean,
        "noisy": noisy,
        "total variation": total_variation(noisy, _SIGMA, clean),
        "non-local means": non_local_means(noisy, _SIGMA, clean),
        "scorematching": sm.denoise(noisy, _SIGMA, prior, data_range=1.0, device=device),
    }
    _compare("noise of level 25 removed", images, output / "denoised.png", border=0)
    for name in ("clean", "noisy", "scorematching"):
        sm.write_image(output / f"denoised-{name}.png", _as_bytes(images[name]))


def _enlarge(prior: sm.Prior, output: Path, device: torch.device) -> None:
    clean = held_out_photograph("astronaut")[:256, 96:352]
    shrink = BicubicDownsampling(2, (256, 256))
    small = _as_bytes(shrink(to_planes(clean, data_range=1.0).data)[0, 0].numpy())
    bicubic = bicubic_upscale(to_planes(small).data, 2)[0, 0].numpy()
    with progress_bar("enlarging") as progress:
        ours = sm.upscale(small, 2, prior, device=device, progress=progress) / 255
    images = {"clean": clean, "bicubic": bicubic, "scorematching": ours}
    _compare("enlarged by 2", images, output / "enlarged.png", border=2)
    sm.write_image(output / "enlarged-small.png", small)
    sm.write_image(output / "enlarged-scorematching.png", _as_bytes(ours))


def _compare(title: str, images: dict[str, np.ndarray], target: Path, border: int) -> None:
    """Print PSNR and SSIM of all images against the clean one, and draw them side by side."""
    inner = (slice(border, -border or None),) * 2
    clean = images["clean"][inner]
    table = Table(title, "PSNR (dB)", "SSIM")
    captions = {"clean": "clean"}
    for name in list(images)[1:]:
        quality = sm.psnr(clean, images[name][inner]), ssim(clean, images[name][inner])
        table.add_row(name, f"{quality[0]:.2f}", f"{quality[1]:.3f}")
        captions[name] = f"{name}: {quality[0]:.2f} dB"
    console.print(table)
    draw_side_by_side({captions[name]: image for name, image in images.items()}, target)


def _as_bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
