"""Noise of training images: the noise that they have, and the noise that is added."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from torch import Tensor

from scorematching.images.wavelet_noise import wavelet_sigma
from scorematching.noise import CorrelatedNoise, GaussianNoise, NoiseModel, as_noise_model, white_level
from scorematching.training.config import TrainingConfig
from scorematching.training.correlation import found_correlated, levels_of_planes, shared_correlation
from scorematching.training.data import ImagePlanes, Plane


def check_noise(
    noise: float | NoiseModel | Sequence[float] | None, noisy: bool, training: TrainingConfig, clean: bool = False
) -> None:
    """Check the noise of a training, as far as this is possible without the images.

    Args:
        noise: As in :func:`scorematching.fit`.
        noisy: Whether the images have noise.
        training: Configuration of the training.
        clean: Whether there are clean images to compare with.

    Raises:
        TypeError: The noise is neither a number nor a noise model.
        ValueError: A level is not above 0, or the noise does not suit the images or the configuration.
    """
    if noisy:
        for one in noise if isinstance(noise, Iterable) else [noise]:
            model = None if one is None else as_noise_model(one)
            if training.max_sigma is not None and not isinstance(model, GaussianNoise | None):
                raise ValueError(f"max_sigma adds white noise to images with white noise, got {model}: leave it out")
        return
    if clean:
        raise ValueError("clean is for a comparison with noisy images: pass noisy=True, or leave out clean")
    level = added_level(noise, 1.0)
    for name in ("blind", "max_sigma"):
        if getattr(training, name) and level is None:
            raise ValueError(f"{name} needs the lowest noise level to add to clean images: pass noise")
    if level is not None and training.max_sigma is not None and training.max_sigma < level:
        raise ValueError(f"max_sigma must be {level:g} (noise) or more, got {training.max_sigma:g}")


class Noisy(NamedTuple):
    """Noisy images whose noise is known.

    Attributes:
        images: Planes of each image, with their noise and contrast.
        level: Mean of the noise levels of the images, with white at 1. The contrast of the crops gives all this level.
        correlation: Correlation of the noise of all planes, (C, C, k, k); ``None`` for white noise.
    """

    images: list[list[Plane]]
    level: float
    correlation: Tensor | None

    @property
    def levels(self) -> list[float]:
        """Noise levels of all planes, with white at 1."""
        return [plane.sigma for planes in self.images for plane in planes]


def with_noise(
    images: ImagePlanes, noise: float | NoiseModel | Sequence[float] | None, correlated: bool = False
) -> Noisy:
    """Add the noise and the contrast to the planes of noisy images.

    Args:
        images: Planes of each image.
        noise: Noise, in the units of the image: one for all, one per image, or ``None`` to estimate the level of each
            image from its wavelet coefficients.
        correlated: Whether noise that is not given may be found to be correlated.

    Raises:
        TypeError: The noise is neither a number nor a noise model.
        ValueError: There are more or fewer levels than images, a level is not above 0, or the noise of the images is
            correlated in different ways.
    """
    found = found_correlated(images) if noise is None and correlated else None
    given: Sequence[float | NoiseModel | None]
    given = found or (list(noise) if isinstance(noise, Iterable) else [noise] * len(images))
    if len(given) != len(images):
        raise ValueError(f"noise must be one for all images, or one per image: got {len(given)} for {len(images)}")
    models = [
        _estimated(planes) if one is None else as_noise_model(one) for planes, one in zip(images, given, strict=True)
    ]
    correlation = shared_correlation(images, models, estimated=found is not None)
    known = [
        _with_own_noise(planes, model, one is None or found is not None)
        for planes, model, one in zip(images, models, given, strict=True)
    ]
    levels = [_mean([plane.sigma for plane in planes]) for planes in known]
    mean = _mean(levels)
    return Noisy([[replace(p, contrast=mean / p.sigma) for p in planes] for planes in known], mean, correlation)


def _mean(levels: Sequence[float]) -> float:
    """Return the mean, which is exact if all are equal."""
    return levels[0] if len(set(levels)) == 1 else math.fsum(levels) / len(levels)


def _with_own_noise(planes: list[Plane], model: NoiseModel, estimated: bool) -> list[Plane]:
    """Return the planes of one image with their noise."""
    name, data_range = planes[0].name, planes[0].data_range
    stabilizer = model.stabilizer(data_range)
    if isinstance(model, CorrelatedNoise):
        levels = levels_of_planes(planes, model)
    elif stabilizer is None:
        raise ValueError(
            f"{name}: a prior is fitted to noise that a map of pixels makes white, or to CorrelatedNoise, got {model}"
        )
    else:
        levels = [stabilizer.level] * len(planes)
    for level in levels:
        if not 0 < level < math.inf:
            how = "was found to be" if estimated else "must be above 0, got"
            raise ValueError(f"{name}: the noise level {how} {level * data_range:g}")
    return [
        replace(plane, noise=model, stabilizer=stabilizer, sigma=level)
        for plane, level in zip(planes, levels, strict=True)
    ]


def _estimated(planes: list[Plane]) -> GaussianNoise:
    """Return the mean of the wavelet estimates of all channels."""
    channels = [channel.numpy() for plane in planes for channel in plane.pixels()]
    level = float(np.mean([wavelet_sigma(channel, 1.0) for channel in channels]))
    return GaussianNoise(level * planes[0].data_range)


def added_level(noise: float | NoiseModel | Sequence[float] | None, data_range: float) -> float | None:
    """Return the level of the noise that is added to clean images, with white at 1; ``None`` for no noise.

    Raises:
        TypeError: The noise is neither a number nor a noise model.
        ValueError: There is one level per image, the noise is not white, or a level is not above 0.
    """
    if isinstance(noise, Iterable):
        raise ValueError(f"noise must be one number for clean images, got {noise}: only noisy images have one each")
    if isinstance(noise, NoiseModel) and not isinstance(noise, GaussianNoise):
        raise ValueError(f"only white noise is added to clean images, got {noise}: simulate it, and pass noisy=True")
    return None if noise is None else white_level(noise, data_range)
