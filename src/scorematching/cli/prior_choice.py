"""Prior for the option ``--prior``: one that comes with the library, a file, or one that is fitted to the images."""

from __future__ import annotations

from pathlib import Path

import torch

from scorematching.cli.console import progress_bar
from scorematching.cli.options import NATURAL, SELF, SELF_STEPS
from scorematching.images.arrays import find_white
from scorematching.images.io.files import read_pages
from scorematching.noise import NoiseModel
from scorematching.priors.architecture import FieldConfig
from scorematching.priors.base import Prior
from scorematching.priors.store import load_prior
from scorematching.training.config import TrainingConfig
from scorematching.training.fitting import fit


def named_prior(name: str) -> Prior | None:
    """Return a prior by its name or file; ``None`` for ``natural``, which depends on the image."""
    if name == SELF:
        raise ValueError("a prior can't be fitted to an image with holes or blur: pass --prior with a name or a file")
    return None if name == NATURAL else load_prior(name)


def named_or_fitted_prior(
    name: str,
    images: list[Path],
    *,
    noise: NoiseModel | None,
    noisy: bool,
    data_range: float | None,
    steps: int | None,
    seed: int,
    device: torch.device,
    neighbors: int | None = None,
) -> Prior | None:
    """Return a prior by its name or file, or fit one to the given images, with a progress bar.

    Images that can't be read are left out of the training.
    """
    if name != SELF:
        if steps is not None:
            raise ValueError(f"--steps is for --prior self, which fits a prior to the image, not for --prior {name}")
        if neighbors is not None:
            raise ValueError(f"--neighbors is for --prior self, which fits a prior to the images; got --prior {name}")
        return named_prior(name)
    with progress_bar("fitting to the image", transient=False) as progress:
        result = fit(
            [path for path in images if _is_readable(path)] or images,
            noise=noise,
            noisy=noisy,
            model=FieldConfig(neighbors=neighbors or 0),
            training=TrainingConfig(steps=steps or SELF_STEPS, seed=seed),
            data_range=data_range,
            device=device,
            progress=progress,
        )
    return result.prior


def _is_readable(path: Path) -> bool:
    try:
        for page in read_pages(path):
            find_white(page)
    except (ValueError, TypeError, OSError):
        return False
    return True
