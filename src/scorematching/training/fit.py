"""Fit a prior to pictures: the one function that a user calls."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import torch

from scorematching._version import __version__
from scorematching.compiling import backend, compiled
from scorematching.prior import ModelName, PriorInfo, build_prior
from scorematching.training.data import CropStream, Picture, Plane, open_pictures, split
from scorematching.training.trainer import FitResult, Progress, Trainer

#: Of white: at this level the experts see clean pictures, whose own scale is not known.
_UNIT_OF_CLEAN = 10 / 255
#: Seconds that compilation saves for each response of an expert, and that it takes where nothing is in torch's cache.
_SAVED_A_RESPONSE, _SECONDS_OF_COMPILATION = 1e-8, 30.0


def fit(
    pictures: Iterable[Picture] | Picture,
    *,
    sigma: float = 0.0,
    noisy: bool = False,
    model: ModelName = "foe",
    filters: int | None = None,
    size: int | None = None,
    lam: float | None = None,
    steps: int = 1500,
    batch: int = 16,
    crop: int = 48,
    rate: float = 1e-2,
    seed: int = 0,
    peak: float | None = None,
    device: str | torch.device = "cpu",
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | Path | None = None,
    compile: bool | Literal["auto"] = "auto",
) -> FitResult:
    """Fit a prior to pictures by regularised score matching.

    Args:
        pictures: Arrays, picture files, folders, or one of them; grey or colour (each channel is then a picture of its
            own).
        sigma: Standard deviation of the noise, in the pictures' own units (0-255 for 8 bit).
        noisy: Whether the pictures carry that noise already. If not, fresh noise of level ``sigma`` is added to each
            crop; either way the model is one of noisy pictures, and Tweedie's formula denoises with it.
        model: ``"foe"``, a field of experts, or ``"pot"``, a product of Student-t on whitened patches.
        filters: Number of experts. By default 24 for ``"foe"`` and 128 for ``"pot"``.
        size: Side of a filter or patch. By default 5 for ``"foe"`` and 8 for ``"pot"``.
        lam: The regulariser. By default 0 where there is noise, and 0.2 where there is none: without either the
            loss of quantised pictures has no minimum.
        steps: Of Adam, with a one-cycle learning rate and gradients clipped to norm 1.
        batch: Crops a step.
        crop: Side of a crop.
        rate: Largest learning rate.
        seed: Same seed, same data, same machine and number of threads: same bits.
        peak: The pictures' value of white, as in :func:`scorematching.images.to_planes`.
        device: Where to compute.
        progress: Called now and then with the state of the training.
        checkpoint: A file that keeps the training's state now and then. If it exists, and holds a state of this very
            training, the training goes on from there and ends as if it had not been interrupted. Remove it once
            the result is saved.
        compile: Whether to train inside :class:`scorematching.compiled`. ``"auto"`` does so where a CPU would take
            longer without, compilation included: from some 3,000 steps of 48 experts on.

    Returns:
        The prior with the best held-out loss, and the history of the losses.

    Raises:
        FileNotFoundError: A picture does not exist, or none was found.
        TypeError: An array is not of a known type.
        ValueError: An option is out of its range, a picture does not fit, or the checkpoint is of another training.

    Example:
        >>> import numpy as np
        >>> noisy = np.random.default_rng(0).normal(128, 25, (64, 64)).clip(0, 255).astype(np.uint8)
        >>> result = fit([noisy], sigma=25, noisy=True, size=3, filters=4, steps=3, crop=6)
        >>> result.prior.info.filters
        4
    """
    _check_options(sigma=sigma, noisy=noisy, rate=rate, lam=lam)
    if compile not in (True, False, "auto"):
        raise ValueError(f"compile must be True, False or 'auto', got {compile!r}")
    _check_counts(steps=steps, batch=batch, crop=crop, seed=seed)
    planes = open_pictures(pictures, peak)
    names, white = [channels[0].name for channels in planes], planes[0][0].peak
    info = _describe(names, sigma / white, noisy, model, filters, size, lam, seed, steps)
    training, held_out = split(planes, rows=2 * info.size)
    fresh = 0.0 if noisy else info.sigma
    trainer = Trainer(
        prior=build_prior(info).to(device),
        stream=CropStream(*_usable(training, crop, info), batch, fresh, seed),
        held_out=CropStream(*_usable(held_out, crop, info), 2 * batch, fresh, seed + 1)[0],
        rate=rate,
    )
    wanted = (_worth_compiling(info, trainer) or bool(backend())) if compile == "auto" else compile
    with nullcontext() if wanted == bool(backend()) else compiled(wanted):
        if checkpoint is not None:
            trainer.use_checkpoint(Path(checkpoint))
        return trainer.run(progress)


def _worth_compiling(info: PriorInfo, trainer: Trainer) -> bool:
    """Whether a compiled training is done earlier, by the responses of experts that it has to work out."""
    positions = trainer.stream.batch * trainer.stream.crop**2 / (1 if info.model == "foe" else info.size**2)
    saved = _SAVED_A_RESPONSE * info.steps * info.filters * positions
    return trainer.device.type == "cpu" and saved > _SECONDS_OF_COMPILATION


def _usable(planes: list[Plane], crop: int, info: PriorInfo) -> tuple[list[Plane], int]:
    """The planes that crops fit into, and the side of a crop: as wished, if a plane is large enough for that."""
    side = max(min(crop, max(min(plane.shape) for plane in planes)), 2 * info.size)
    large = [plane for plane in planes if min(plane.shape) >= side]
    small = sorted({plane.name for plane in planes} - {plane.name for plane in large})
    if large and small:
        warnings.warn(f"left out, smaller than a crop of {side} pixels: {', '.join(small)}", stacklevel=3)
    return large or planes, side


def _check_options(*, sigma: float, noisy: bool, rate: float, lam: float | None) -> None:
    if not (sigma >= 0 and math.isfinite(sigma)):
        raise ValueError(f"sigma must be a number of 0 or more, got {sigma}")
    if noisy and sigma == 0:
        raise ValueError("noisy pictures need their noise level: give sigma, above 0")
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    if lam is not None and not (lam >= 0 and math.isfinite(lam)):
        raise ValueError(f"lam must be a number of 0 or more, got {lam}")


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        least = 0 if name == "seed" else 1
        if count != int(count) or count < least:
            raise ValueError(f"{name} must be a whole number of {least} or more, got {count}")


def _describe(
    names: list[str],
    sigma: float,
    noisy: bool,
    model: ModelName,
    filters: int | None,
    size: int | None,
    lam: float | None,
    seed: int,
    steps: int,
) -> PriorInfo:
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    kind = "noisy" if noisy else "clean"
    return PriorInfo(
        model=model,
        size=size if size is not None else {"foe": 5, "pot": 8}.get(model, 0),
        filters=filters if filters is not None else {"foe": 24, "pot": 128}.get(model, 0),
        unit=sigma or _UNIT_OF_CLEAN,
        sigma=sigma,
        lam=lam if lam is not None else (0.0 if sigma else 0.2),
        seed=seed,
        steps=steps,
        data=f"{len(names)} {kind} pictures: {shown}",
        version=__version__,
    )
