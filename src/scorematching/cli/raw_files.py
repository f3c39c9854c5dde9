"""Raw files of cameras in ``scorematching denoise``: denoised before they are developed, where no option forbids it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scorematching.cli.console import progress_bar
from scorematching.images.io.files import write_image
from scorematching.images.io.raw import RAW_SUFFIXES, is_mosaic, opened
from scorematching.noise import GaussianNoise, NoiseModel
from scorematching.restoration.raw import denoise_raw

if TYPE_CHECKING:
    from scorematching.cli.denoise_files import Job


def is_undeveloped(job: Job, source: Path) -> bool:
    """Return True for a raw file whose noise is to be removed from the values of the sensor.

    A noise level, a prior, a value of white, error bars and reports are for the developed image.
    """
    developed = (job.noise, job.prior, job.white, job.report, job.record, job.std)
    if source.suffix.lower() not in RAW_SUFFIXES or job.fast or any(one is not None for one in developed):
        return False
    with opened(source) as file:
        return is_mosaic(file)


def denoise_undeveloped(job: Job, source: Path, target: Path) -> tuple[list[NoiseModel], tuple[int, ...]]:
    """Denoise, develop and write a raw file. Return its noise, and the number and the shape of the pages."""
    with progress_bar("denoising") as bar:
        found = denoise_raw(source, self_ensemble=job.self_ensemble, seed=job.seed, device=job.device, progress=bar)
    if found.noise == GaussianNoise(0):
        raise ValueError(f"no noise was found in {source.name}: pass --sigma")
    write_image(target, found.image)
    return [found.noise], (1, *found.image.shape)
