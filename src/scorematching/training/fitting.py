"""Fit a prior to images: the public function of this package."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from scorematching._version import __version__
from scorematching.energies import DeepField
from scorematching.images import find_images
from scorematching.images.io.paths import check_outputs
from scorematching.noise import CorrelatedNoise, GaussianNoise, NoiseModel
from scorematching.priors.architecture import DeepConfig, FieldConfig, ModelConfig
from scorematching.priors.base import Prior
from scorematching.priors.info import Provenance, TrainedNoise
from scorematching.priors.kinds import build_prior
from scorematching.runtime.arguments import check_flag
from scorematching.runtime.compiling import backend, compiled
from scorematching.runtime.distributed import Processes
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import ProgressCallback
from scorematching.training.checkpoints import Checkpoint
from scorematching.training.config import TrainingConfig
from scorematching.training.crops import CropStream, usable_planes
from scorematching.training.data import ImageSource, listed, open_images, split
from scorematching.training.log import Log, open_log
from scorematching.training.noise import added_level, check_levels, check_noise, with_noise
from scorematching.training.planes import ImagePlanes, Plane, size_of_files
from scorematching.training.quality import HeldOut
from scorematching.training.references import belonging
from scorematching.training.result import FitResult
from scorematching.training.sources import Store
from scorematching.training.trainer import Trainer

#: Default weight of the regularizer for clean images, in units of (10/255)^2.
_LAM_OF_CLEAN = 0.2
#: Time in seconds that compilation saves per filter response, and time that it takes if PyTorch's cache is empty.
_SAVED_PER_RESPONSE, _SECONDS_OF_COMPILATION = 1e-8, 30.0


def fit(
    images: Iterable[ImageSource] | ImageSource,
    *,
    noise: float | NoiseModel | Sequence[float] | None = None,
    noisy: bool = True,
    model: ModelConfig | None = None,
    training: TrainingConfig | None = None,
    clean: Iterable[ImageSource] | ImageSource | None = None,
    data_range: float | None = None,
    axes: str | None = None,
    device: str | torch.device = "cpu",
    progress: ProgressCallback | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    log: str | Path | None = None,
) -> FitResult:
    """Fit a prior to images by regularized score matching.

    No clean image is needed. A prior that is fitted to noisy images denoises other images by Tweedie's formula. If the
    noise levels of the images differ, the contrast of crops is changed so that all have the same level. The prior then
    serves all these levels.

    **Correlated noise.** The loss has the metric of the noise (:func:`scorematching.energies.with_metric`), and the
    prior denoises by Tweedie's formula with the covariance. The noise of all images must have one correlation, up to
    its level. A model of grayscale planes sees the channels of color images one by one: it takes the mean correlation
    of the channels, and the level of each. A color model takes the covariance of the channels too. Crops are wider by
    the distance up to which pixels are correlated.

    **Neighbors.** A model with neighbors also learns from the images before and after an image: the pages of a file,
    the images of an array with axes, or the arrays of a list. It consists of a prior of the image alone and one of the
    image with its neighbors (:class:`scorematching.priors.NeighborPrior`), and the losses of both are added.

    **Several processes.** In a process group of PyTorch, as ``torchrun`` and ``torch.distributed.init_process_group``
    make it, every process must call this function with the same arguments. K processes with ``batch=B`` then do the
    steps of one with ``batch=K*B``, to rounding. The first one writes the checkpoint and reports progress.

    **Failures.** If a loss or a gradient is not finite, the training goes back to the last evaluation and halves the
    learning rate, up to three times; then it stops. The best state is returned in any case. Warnings tell of this, of a
    training that diverged, and of a prior that is no better than the untrained one. A warning is also given if, by
    Stein's estimate, the error of denoised held-out images is not above 0, or is larger than that of the noisy images.

    Args:
        images: Arrays, image files, folders, or one of them; grayscale or color. Each channel is a separate image,
            unless the model sees colors together. Files may exceed the memory: they are decoded when they are needed,
            and must not change during the training.
        noise: Noise of the images, in the units of the images (0-255 for 8 bit): a standard deviation, one per image,
            or a noise model, or one model per image. By default it is estimated. It counts as correlated, with a
            warning, if :func:`scorematching.estimate_noise` finds so in most of at most eight images, which takes a few
            seconds each; with ``max_sigma``, and otherwise, it is white, and its level in each image is that of the
            wavelet coefficients; of many images, that of a part is estimated at the start, and that of others when they
            are first used. For clean images (``noisy=False``), ``noise`` is the level of noise that is added to
            each crop. By default none is added.
        noisy: Whether the images have noise.
        model: Architecture: a :class:`scorematching.FieldConfig` (default) or a :class:`scorematching.DeepConfig`.
        training: Options of the training.
        clean: The same images without noise, if available: arrays in the same order, or files with the same names,
            whose suffixes may differ. Floating-point images have the data range of the noisy ones. They are not used
            for training, but to measure the true PSNR on held-out images.
        data_range: Value of white in the images, as in :func:`scorematching.images.to_planes`. By default, files of
            floating-point numbers are all read at the start to find it.
        axes: Letters of the axes of the arrays, such as ``"TYX"``, if they are stacks; as in
            :func:`scorematching.denoise`.
        device: Device to compute on.
        progress: Called during the training with the loss, the held-out loss and the speed.
        checkpoint: File to save the state of the training to: every few seconds, at the end, and before SIGINT (Ctrl-C)
            or SIGTERM takes effect. If it can't be written, as on a full disk, a warning says so, and the training goes
            on. Remove it after the result is saved.
        resume: Whether to continue from the checkpoint if it exists, with the same result as without the interruption.
            Otherwise, an existing checkpoint is refused.
        log: File to write the losses, the learning rate and the time of each evaluation to, as JSON lines; or a folder
            for TensorBoard, which ends in ``/`` or exists.

    Returns:
        The prior with the best held-out loss, and the history of the losses.

    Raises:
        FileNotFoundError: An image or the folder of the checkpoint does not exist, or no image was found.
        TypeError: The type of an array is not supported, or an argument is of the wrong class.
        ValueError: An argument is out of its range, an image is too small, the noise of the images is correlated in
            different ways, ``max_sigma`` comes with noise that is not white, there are too few neighbors, the loss is
            not finite before the first step, or the checkpoint belongs to another training or is in use.

    Example:
        >>> import numpy as np, scorematching as sm
        >>> noisy = np.random.default_rng(0).normal(128, 25, (64, 64)).clip(0, 255).astype(np.uint8)
        >>> small, short = sm.FieldConfig(filters=4, size=3), sm.TrainingConfig(steps=3, crop=6)
        >>> fit([noisy], noise=25, model=small, training=short).prior.config.filters
        4
    """
    model = FieldConfig() if model is None else model
    training = TrainingConfig() if training is None else training
    _check(model, training, noisy)
    check_noise(noise, noisy, training, clean is not None)
    check_arguments(fit, {**locals(), "noise": None})  # a list may have a model for each image
    if resume and checkpoint is None:
        raise ValueError("resume needs the checkpoint to continue from: pass checkpoint")
    images, clean = listed(images), None if clean is None else listed(clean)
    files = [one for one in [*images, *(clean or [])] if isinstance(one, str | Path)]
    check_outputs([checkpoint, log], find_images(files) if files else [])
    rows = open_log(log) if Processes.current().is_first else None
    with nullcontext() if checkpoint is None else Checkpoint(checkpoint, resume) as kept:
        return _fit(images, noise, noisy, model, training, clean, data_range, axes, device, progress, kept, rows)


def _fit(
    images: Iterable[ImageSource] | ImageSource,
    noise: float | NoiseModel | Sequence[float] | None,
    noisy: bool,
    model: ModelConfig,
    training: TrainingConfig,
    clean: Iterable[ImageSource] | ImageSource | None,
    data_range: float | None,
    axes: str | None,
    device: str | torch.device,
    progress: ProgressCallback | None,
    checkpoint: Checkpoint | None,
    log: Log | None,
) -> FitResult:
    """Fit a prior to images, with arguments that were checked."""
    store = Store(int(training.memory * 2**30))
    options = (data_range, model.colors, axes, model.neighbors, store)
    planes = open_images(images, *options)
    clean_planes = None if clean is None else open_images(clean, *options)
    if clean_planes is not None:
        belonging(clean_planes, planes)  # raises for other images, before noise is estimated
    white = planes[0][0].data_range
    level: float | None
    max_level = None if training.max_sigma is None else training.max_sigma / white
    least = build_prior(replace(model, neighbors=0), None).min_crop
    if noisy:
        split(planes, rows=least)  # raises for small images, before noise is estimated
        known = with_noise(planes, noise, correlated=max_level is None and not model.neighbors)
        planes, level = known.images, known.level
        levels = known.levels
    else:
        level = added_level(noise, white)
        levels = [] if level is None else [level]
    fresh = 0.0 if noisy or level is None else level
    trained = None
    if level is not None:
        correlation = known.correlation if noisy else None
        lowest, highest = min(levels), max(*levels, max_level or 0.0)
        check_levels((lowest, highest), white)
        trained = TrainedNoise(level, lowest, highest, training.blind, correlation)
    prior = build_prior(model, trained, _provenance(planes, level, noisy, training))
    train, held_out = split(planes, rows=prior.min_crop)

    batch = (processes := Processes.current()).size * training.batch

    def stream(planes: list[Plane], batch: int, seed: int, pooled: bool = False) -> CropStream:
        usable, side = usable_planes(planes, training.crop + prior.min_crop - least, prior)
        turned = trained is None or trained.keeps_turned
        return CropStream(usable, side, batch, fresh, seed, training.blind, max_level, turned, pooled)

    trainer = Trainer(
        prior=prior.to(device),
        stream=stream(train, batch, training.seed, size_of_files(train) > store.memory),
        held_out=stream(held_out, 2 * batch, training.seed + 1)[0],
        training=training,
        checkpoint=checkpoint,
        log=log,
    )
    references = None if clean_planes is None else split(belonging(clean_planes, planes), rows=prior.min_crop)[1]
    wanted = training.compile
    if wanted == "auto":
        wanted = _is_worth_compiling(prior, trainer) or bool(backend())
    with nullcontext() if wanted == bool(backend()) else compiled(wanted):
        trainer.resume()
        with trainer.stream.prefetched(training.workers if size_of_files(train) else 0, training.steps):
            result = trainer.run(progress if processes.is_first else None)
    if noisy:
        result.found = min(levels), max(levels)
    if prior.noise is not None:
        _measure(result, HeldOut(held_out, fresh, references, training.seed))
    return result


def _measure(result: FitResult, held_out: HeldOut) -> None:
    """Add the quality on held-out images to a result, and warn if it is bad."""
    quality = held_out.quality(result.prior)
    result.expected_psnr, result.psnr = quality.expected_psnr, quality.psnr
    if quality.advice is not None:
        warnings.warn(quality.advice, stacklevel=3)


def _check(model: ModelConfig, training: TrainingConfig, noisy: bool) -> None:
    """Raise ``TypeError`` or ``ValueError`` if the arguments do not fit one another."""
    if not isinstance(model, FieldConfig | DeepConfig):
        raise TypeError(f"model must be a FieldConfig or a DeepConfig, got {type(model).__name__}")
    if not isinstance(training, TrainingConfig):
        raise TypeError(f"training must be a TrainingConfig, got {type(training).__name__}")
    check_flag("noisy", noisy)
    for name in ("blind", "max_sigma"):
        if getattr(training, name) and not isinstance(model, DeepConfig):
            raise ValueError(f"{name} is for deep priors: pass model=DeepConfig(), got {model}")
        if getattr(training, name) and model.neighbors:
            raise ValueError(f"{name} is for priors that see one image: leave out neighbors, or {name}")
    if model.neighbors and not noisy:
        raise ValueError("neighbors are for noisy images: pass noisy=True (--noisy), or leave out neighbors")


def _provenance(planes: ImagePlanes, level: float | None, noisy: bool, training: TrainingConfig) -> Provenance:
    """Return the description of the training that is stored with the prior."""
    names = [channels[0].name for channels in planes]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    noise = planes[0][0].noise
    how = "correlated" if isinstance(noise, CorrelatedNoise) else "stabilized"
    kind = "clean" if not noisy else "noisy" if isinstance(noise, GaussianNoise) else f"noisy, {how} ({noise})"
    lam = training.lam
    if lam is None:
        lam = _LAM_OF_CLEAN if level is None else 0.0
    return Provenance(f"{len(names)} {kind} images: {shown}", training.steps, training.seed, lam, __version__)


def _is_worth_compiling(prior: Prior, trainer: Trainer) -> bool:
    """Return True if a compiled training is expected to end earlier, by the number of filter responses."""
    config = prior.config
    if isinstance(config, DeepConfig):
        responses = config.channels * config.depth / DeepField.BLOCK**2
    else:
        responses = config.filters
    responses *= trainer.stream.batch * trainer.stream.crop**2 * trainer.training.steps
    return trainer.device.type == "cpu" and _SAVED_PER_RESPONSE * responses > _SECONDS_OF_COMPILATION
