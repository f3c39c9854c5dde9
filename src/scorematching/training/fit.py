"""Fit a prior to pictures: the one function that a user calls."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from scorematching._version import __version__
from scorematching.compiling import backend, compiled
from scorematching.deep import DeepField
from scorematching.fields import ExpertName
from scorematching.prior import ModelName, Prior, PriorInfo, build_prior
from scorematching.training.crops import CropStream
from scorematching.training.data import Picture, Plane, open_pictures, split, with_noise
from scorematching.training.quality import HeldOut
from scorematching.training.trainer import FitResult, Progress, Trainer

#: What each model can be told about its shape, and what is so by default.
_SHAPES: dict[str, dict[str, Any]] = {
    "foe": {"size": 5, "filters": 24, "octaves": 1, "expert": "student-t", "normed": False},
    "pot": {"size": 8, "filters": 128},
    "deep": {"size": 3, "filters": 64, "depth": 6},
}
_RATES = {"foe": 1e-2, "pot": 1e-2, "deep": 3e-3}
#: Of white: at this level the experts see clean pictures, whose own scale is not known.
_UNIT_OF_CLEAN = 10 / 255
#: Seconds that compilation saves for each response of an expert, and that it takes where nothing is in torch's cache.
_SAVED_A_RESPONSE, _SECONDS_OF_COMPILATION = 1e-8, 30.0


def fit(
    pictures: Iterable[Picture] | Picture,
    *,
    sigma: float | Sequence[float] | None = None,
    noisy: bool = False,
    gain: float | None = None,
    offset: float = 0.0,
    model: ModelName = "foe",
    filters: int | None = None,
    size: int | None = None,
    depth: int | None = None,
    octaves: int | None = None,
    expert: ExpertName | None = None,
    normed: bool | None = None,
    blind: bool = False,
    colour: bool = False,
    highest: float | None = None,
    lam: float | None = None,
    steps: int = 1500,
    batch: int = 16,
    crop: int = 48,
    rate: float | None = None,
    seed: int = 0,
    peak: float | None = None,
    clean: Iterable[Picture] | Picture | None = None,
    device: str | torch.device = "cpu",
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | Path | None = None,
    compile: bool | Literal["auto"] = "auto",
) -> FitResult:
    """Fit a prior to pictures by regularised score matching.

    Args:
        pictures: Arrays, picture files, folders, or one of them; grey or colour (each channel is then a picture of its
            own, unless ``colour``).
        sigma: Standard deviation of the noise, in the pictures' own units (0-255 for 8 bit). Noisy pictures may have
            one each; by default theirs is estimated (:func:`scorematching.images.estimate_noise`), and clean ones
            are taken as they are.
        noisy: Whether the pictures carry that noise already. If not, fresh noise of level ``sigma`` is added to each
            crop; either way the model is one of noisy pictures, and Tweedie's formula denoises with it. Where levels
            differ, the contrast of crops is changed so that their noise is the same: the prior then serves all levels.
        gain: What a photon adds to a pixel of noisy pictures, in their own units, where noise grows with brightness.
            ``sigma`` is then the read noise alone, 0 by default, and the prior is one of stabilised pictures
            (:class:`scorematching.Anscombe`), as ``denoise`` with that gain makes them.
        offset: With ``gain``, the pixel value of no light at all.
        model: ``"foe"``, a field of experts; ``"pot"``, a product of Student-t on whitened patches; ``"deep"``, a
            convolutional network, which denoises best and learns slowest.
        filters: Number of experts, of each octave, or channels. By default 24 for ``"foe"``, 128 for ``"pot"``, 64 for
            ``"deep"``.
        size: Side of a filter or patch. By default 5 for ``"foe"``, 8 for ``"pot"``, 3 for ``"deep"``.
        depth: Convolutions of a deep prior. By default 6.
        octaves: Of a field of experts: at how many scales it sees the picture, each half as fine as the one before. By
            default 1.
        expert: Of a field: ``"student-t"``, mixtures of them (the default), or ``"spline"``, free curves.
        normed: Of a field: whether its filters have zero mean and unit norm. By default they are free.
        blind: For a deep prior: let every fourth crop have less noise than it is told, by a random factor. The
            level that it is given is then the highest that it expects, and it keeps places that have less.
        colour: For a deep prior: learn the three channels of colour pictures together. It is then a prior of such
            pictures only.
        highest: For a deep prior: add noise to the pictures, up to this level, in their own units. The prior then
            serves all levels from theirs on, and learns faster, noisy pictures or clean: where noise was added,
            nobody has to estimate a trace (:class:`scorematching.curvature.Stein`).
        lam: The regulariser. By default 0 where there is noise, and 0.2 where there is none: without either the
            loss of quantised pictures has no minimum.
        steps: Of Adam, in deep priors of Muon, with a one-cycle learning rate and gradients clipped to norm 1.
        batch: Crops a step.
        crop: Side of a crop.
        rate: Largest learning rate of Adam. By default 0.01, and 0.003 for ``"deep"``; Muon's is five times as large.
        seed: Same seed, same data, same machine and number of threads: same bits.
        peak: The pictures' value of white, as in :func:`scorematching.images.to_planes`.
        clean: The same pictures without their noise, where there are such, in the same order. Nothing is learned from
            them: they tell the true quality of the result on what was held out.
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
    _check_options(noisy=noisy, gain=gain, offset=offset, rate=rate, lam=lam)
    shape = _shape(model, size=size, filters=filters, depth=depth, octaves=octaves, expert=expert, normed=normed)
    for name, wanted in (("blind", blind), ("highest", highest is not None)):
        if wanted and (model != "deep" or lam):
            got = f"model {model!r}" if model != "deep" else f"lam {lam:g}"
            raise ValueError(f"{name} is for deep priors without lam, got {got}")
    if compile not in (True, False, "auto"):
        raise ValueError(f"compile must be True, False or 'auto', got {compile!r}")
    _check_counts(steps=steps, batch=batch, crop=crop, seed=seed)
    if not isinstance(colour, bool):
        raise ValueError(f"colour must be True or False, got {colour!r}")
    if colour and model != "deep":
        raise ValueError(f"colour is for deep priors, got model {model!r}: it learns from each channel")
    colours = 3 if colour else 1
    planes = open_pictures(pictures, peak, colours)
    planes, level = with_noise(planes, sigma, gain, offset) if noisy else (planes, _fresh(sigma, planes[0][0].peak))
    up_to = _highest(highest, planes[0][0].peak, level, gain)
    info = _describe(planes, level, noisy, lam, seed, steps, up_to, **shape, model=model, blind=blind, colours=colours)
    prior = build_prior(info)
    training, held_out = split(planes, rows=prior.least_crop)
    fresh = 0.0 if noisy else level
    trainer = Trainer(
        prior=prior.to(device),
        stream=CropStream(*_usable(training, crop, prior), batch, fresh, seed, blind, up_to),
        held_out=CropStream(*_usable(held_out, crop, prior), 2 * batch, fresh, seed + 1, blind, up_to)[0],
        rate=rate if rate is not None else _RATES[model],
    )
    known = None if clean is None else _clean_held_out(clean, peak, planes, prior)
    wanted = (_worth_compiling(info, trainer) or bool(backend())) if compile == "auto" else compile
    with nullcontext() if wanted == bool(backend()) else compiled(wanted):
        if checkpoint is not None:
            trainer.use_checkpoint(Path(checkpoint))
        result = trainer.run(progress)
    if level:
        result.expected_psnr, result.psnr = HeldOut(held_out, fresh, known, seed).quality(prior)
    return result


def _fresh(sigma: float | Sequence[float] | None, peak: float) -> float:
    """The level of the noise that is added to clean pictures, white being 1."""
    level = 0.0 if sigma is None else sigma
    if not isinstance(level, int | float) or not 0 <= level < math.inf:
        raise ValueError(f"sigma must be a number of 0 or more, got {sigma}; only noisy pictures have one each")
    return level / peak


def _highest(highest: float | None, peak: float, level: float, gain: float | None) -> float | None:
    """The level up to which noise is added, white being 1."""
    if highest is None:
        return None
    if gain is not None:
        raise ValueError("highest is for noise that is the same everywhere, not for a gain")
    if not level:
        raise ValueError("highest needs the lowest level that clean pictures are to have: say it (sigma)")
    if not 0 < highest < math.inf:
        raise ValueError(f"highest must be positive, got {highest}")
    return highest / peak


def _clean_held_out(
    clean: Iterable[Picture] | Picture, peak: float | None, planes: list[list[Plane]], prior: Prior
) -> list[Plane]:
    """The clean planes that belong to those held out, brought to the same contrast."""
    pictures = open_pictures(clean, peak, prior.info.colours)
    shapes, expected = ([[plane.shape for plane in channels] for channels in found] for found in (pictures, planes))
    if shapes != expected:
        raise ValueError(f"clean must be the same pictures: {len(pictures)} of {len(planes)}, or of other shapes")
    like = [
        [replace(one, stabilizer=other.stabilizer, contrast=other.contrast) for one, other in zip(*pair, strict=True)]
        for pair in zip(pictures, planes, strict=True)
    ]
    return split(like, rows=prior.least_crop)[1]


def _worth_compiling(info: PriorInfo, trainer: Trainer) -> bool:
    """Whether a compiled training is done earlier, by the responses of filters that it has to work out."""
    pixels = {"foe": 1, "pot": info.size**2, "deep": DeepField.BLOCK**2}[info.model]  # for each response of a filter
    responses = trainer.stream.batch * trainer.stream.crop**2 / pixels * info.filters * info.depth
    return trainer.device.type == "cpu" and _SAVED_A_RESPONSE * info.steps * responses > _SECONDS_OF_COMPILATION


def _usable(planes: list[Plane], crop: int, prior: Prior) -> tuple[list[Plane], int]:
    """The planes that crops fit into, and the side of a crop: as wished, if a plane is large enough for that."""
    side = max(min(crop, max(min(plane.shape) for plane in planes)), prior.least_crop)
    side -= side % prior.block
    large = [plane for plane in planes if min(plane.shape) >= side]
    small = sorted({plane.name for plane in planes} - {plane.name for plane in large})
    if large and small:
        warnings.warn(f"left out, smaller than a crop of {side} pixels: {', '.join(small)}", stacklevel=3)
    return large or planes, side


def _check_options(*, noisy: bool, gain: float | None, offset: float, rate: float | None, lam: float | None) -> None:
    if not isinstance(noisy, bool):
        raise ValueError(f"noisy must be True or False, got {noisy!r}")
    if not noisy and (gain is not None or offset):
        raise ValueError(f"gain and offset are for pictures that are noisy already (noisy), got {gain} and {offset}")
    if rate is not None and not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    if lam is not None and not (lam >= 0 and math.isfinite(lam)):
        raise ValueError(f"lam must be a number of 0 or more, got {lam}")


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        least = 0 if name == "seed" else 1
        if count != int(count) or count < least:
            raise ValueError(f"{name} must be a whole number of {least} or more, got {count}")


def _shape(model: str, **given: object) -> dict[str, Any]:
    """What was said about the model, and what is so by default."""
    told = {name: value for name, value in given.items() if value is not None}
    known = _SHAPES.get(model, told)  # a model that does not exist is refused by PriorInfo
    for name, value in told.items():
        if name not in known:
            kinds = [kind for kind, shape in _SHAPES.items() if name in shape]
            raise ValueError(f"{name} is for {' and '.join(kinds)} priors, got {name} {value!r} for model {model!r}")
    return {"size": 0, "filters": 0, **known, **told}


def _describe(
    planes: list[list[Plane]],
    level: float,
    noisy: bool,
    lam: float | None,
    seed: int,
    steps: int,
    highest: float | None,
    **shape: Any,
) -> PriorInfo:
    names = [channels[0].name for channels in planes]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    levels = [channels[0].sigma for channels in planes] if noisy else [level]
    stabilizer = planes[0][0].stabilizer
    kind = (
        "clean"
        if not noisy
        else "noisy"
        if stabilizer is None
        else f"noisy, stabilised (gain {stabilizer.noise.gain:.4g})"
    )
    return PriorInfo(
        **shape,
        unit=level or _UNIT_OF_CLEAN,
        sigma=level,
        lam=lam if lam is not None else (0.0 if level else 0.2),
        seed=seed,
        steps=steps,
        data=f"{len(names)} {kind} pictures: {shown}",
        version=__version__,
        levels=(min(levels), max(*levels, highest or 0.0)),
    )
