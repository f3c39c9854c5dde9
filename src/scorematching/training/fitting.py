"""Fit a prior to images: the one function that a user calls."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch

from scorematching._version import __version__
from scorematching.energies.deep_field import DeepField
from scorematching.energies.field_of_experts import ExpertName
from scorematching.priors.base import Prior
from scorematching.priors.info import ModelName, PriorInfo
from scorematching.priors.kinds import build_prior
from scorematching.runtime.arguments import check_count, check_positive
from scorematching.runtime.compiling import backend, compiled
from scorematching.training.crops import CropStream
from scorematching.training.data import ImageSource, Plane, open_images, split, with_noise
from scorematching.training.options import RATES, check_deep, check_images, fresh_level, highest_level, shape_of
from scorematching.training.quality import HeldOut
from scorematching.training.references import belonging
from scorematching.training.trainer import FitResult, Progress, Trainer

#: Of white: at this level the experts see clean images, whose own scale is not known.
_UNIT_OF_CLEAN = 10 / 255
#: Seconds that compilation saves for each response of an expert, and that it takes where nothing is in torch's cache.
_SAVED_A_RESPONSE, _SECONDS_OF_COMPILATION = 1e-8, 30.0


def fit(
    images: Iterable[ImageSource] | ImageSource,
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
    normalize_filters: bool | None = None,
    blind: bool = False,
    color: bool = False,
    max_sigma: float | None = None,
    lam: float | None = None,
    steps: int = 1500,
    batch: int = 16,
    crop: int = 48,
    rate: float | None = None,
    seed: int = 0,
    data_range: float | None = None,
    clean: Iterable[ImageSource] | ImageSource | None = None,
    device: str | torch.device = "cpu",
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | Path | None = None,
    compile: bool | Literal["auto"] = "auto",
) -> FitResult:
    """Fit a prior to images by regularized score matching.

    Args:
        images: Arrays, image files, folders, or one of them; gray or color (each channel is then an image of its
            own, unless ``color``).
        sigma: Standard deviation of the noise, in the images' own units (0-255 for 8 bit). Noisy images may have
            one each; by default theirs is estimated (:func:`scorematching.images.estimate_noise`), and clean ones
            are taken as they are.
        noisy: Whether the images carry that noise already. If not, fresh noise of level ``sigma`` is added to each
            crop; either way the model is one of noisy images, and Tweedie's formula denoises with it. Where levels
            differ, the contrast of crops is changed so that their noise is the same: the prior then serves all levels.
        gain: What a photon adds to a pixel of noisy images, in their own units, where noise grows with brightness.
            ``sigma`` is then the read noise alone, 0 by default, and the prior is one of stabilized images
            (:class:`scorematching.noise.PoissonGaussianNoise`), as ``denoise`` with that gain makes them.
        offset: With ``gain``, the pixel value of no light at all.
        model: ``"foe"``, a field of experts; ``"pot"``, a product of Student-t on whitened patches; ``"deep"``, a
            convolutional network, which denoises best and learns slowest.
        filters: Number of experts, of each octave, or channels. By default 24 for ``"foe"``, 128 for ``"pot"``, 64 for
            ``"deep"``.
        size: Side of a filter or patch. By default 5 for ``"foe"``, 8 for ``"pot"``, 3 for ``"deep"``.
        depth: Convolutions of a deep prior. By default 6.
        octaves: Of a field of experts: at how many scales it sees the image, each half as fine as the one before. By
            default 1.
        expert: Of a field: ``"student-t"``, mixtures of them (the default), or ``"spline"``, free curves.
        normalize_filters: Of a field: whether its filters have zero mean and unit norm. By default they are free.
        blind: For a deep prior: let every fourth crop have less noise than it is told, by a random factor. The
            level that it is given is then the highest that it expects, and it keeps places that have less. Clean
            images need a ``sigma`` for it.
        color: For a deep prior: learn the three channels of color images together. It is then a prior of such
            images only.
        max_sigma: For a deep prior: add noise to the images, up to this level, in their own units. The prior then
            serves all levels from theirs on, and learns faster, noisy images or clean: where noise was added,
            nobody has to estimate a trace (:class:`scorematching.curvature.Stein`).
        lam: The regularizer. By default 0 where there is noise, and 0.2 where there is none: without either the
            loss of quantized images has no minimum.
        steps: Of Adam, in deep priors of Muon, with a one-cycle learning rate and gradients clipped to norm 1.
        batch: Crops a step.
        crop: Side of a crop.
        rate: Largest learning rate of Adam. By default 0.01, and 0.003 for ``"deep"``; Muon's is five times as large.
        seed: Same seed, same data, same machine and number of threads: same bits.
        data_range: The images' value of white, as in :func:`scorematching.images.to_planes`.
        clean: The same noisy images without their noise, where there are such: arrays in the same order, files of the
            same names, which may end differently. Floating-point ones have the white of the noisy ones. Nothing is
            learned from them: they tell the true quality of the result on what was held out.
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
        FileNotFoundError: An image does not exist, or none was found.
        TypeError: An array is not of a known type.
        ValueError: An option is out of its range, an image does not fit, or the checkpoint is of another training.

    Example:
        >>> import numpy as np
        >>> noisy = np.random.default_rng(0).normal(128, 25, (64, 64)).clip(0, 255).astype(np.uint8)
        >>> result = fit([noisy], sigma=25, noisy=True, size=3, filters=4, steps=3, crop=6)
        >>> result.prior.info.filters
        4
    """
    check_images(noisy, gain, offset, clean is not None)
    shape = shape_of(
        model,
        size=size,
        filters=filters,
        depth=depth,
        octaves=octaves,
        expert=expert,
        normalize_filters=normalize_filters,
    )
    lam = None if lam is None else check_positive("lam", lam, zero=True)
    rate = RATES[model] if rate is None else check_positive("rate", rate)
    check_deep(model, lam, blind, color, max_sigma)
    if compile not in (True, False, "auto"):
        raise ValueError(f"compile must be True, False or 'auto', got {compile!r}")
    steps, batch, crop = check_count("steps", steps), check_count("batch", batch), check_count("crop", crop)
    seed = check_count("seed", seed, least=0)
    colors = 3 if color else 1
    planes = open_images(images, data_range, colors)
    planes, level = (
        with_noise(planes, sigma, gain, offset) if noisy else (planes, fresh_level(sigma, planes[0][0].data_range))
    )
    up_to = highest_level(max_sigma, planes[0][0].data_range, level, noisy, blind, gain)
    info = _describe(planes, level, noisy, lam, seed, steps, up_to, **shape, model=model, blind=blind, colors=colors)
    prior = build_prior(info)
    training, held_out = split(planes, rows=prior.least_crop)
    fresh = 0.0 if noisy else level
    trainer = Trainer(
        prior=prior.to(device),
        stream=CropStream(*_usable(training, crop, prior), batch, fresh, seed, blind, up_to),
        held_out=CropStream(*_usable(held_out, crop, prior), 2 * batch, fresh, seed + 1, blind, up_to)[0],
        rate=rate,
    )
    known = None
    if clean is not None:
        known = split(belonging(open_images(clean, data_range, colors), planes), rows=prior.least_crop)[1]
    wanted = (_worth_compiling(info, trainer) or bool(backend())) if compile == "auto" else compile
    with nullcontext() if wanted == bool(backend()) else compiled(wanted):
        if checkpoint is not None:
            trainer.use_checkpoint(Path(checkpoint))
        result = trainer.run(progress)
    sigmas = [channels[0].sigma for channels in planes]
    result.found = min(sigmas), max(sigmas)
    if level:
        result.expected_psnr, result.psnr = HeldOut(held_out, fresh, known, seed).quality(prior)
    return result


def _worth_compiling(info: PriorInfo, trainer: Trainer) -> bool:
    """Whether a compiled training is done earlier, by the responses of filters that it has to compute."""
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


def _describe(
    planes: list[list[Plane]],
    level: float,
    noisy: bool,
    lam: float | None,
    seed: int,
    steps: int,
    max_sigma: float | None,
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
        else f"noisy, stabilized (gain {stabilizer.noise.gain:.4g})"
    )
    return PriorInfo(
        **shape,
        unit=level or _UNIT_OF_CLEAN,
        sigma=level,
        lam=lam if lam is not None else (0.0 if level else 0.2),
        seed=seed,
        steps=steps,
        data=f"{len(names)} {kind} images: {shown}",
        version=__version__,
        levels=(min(levels), max(*levels, max_sigma or 0.0)),
    )
