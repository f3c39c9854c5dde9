"""Noise of training images: the noise that they have, and the noise that is added."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from torch import Tensor

from scorematching.noise import CorrelatedNoise, GaussianNoise, NoiseModel, as_noise_model, white_level
from scorematching.training.config import TrainingConfig
from scorematching.training.correlation import (
    found_correlated,
    levels_of_planes,
    like_others,
    shared_correlation,
    wavelet_level,
)
from scorematching.training.planes import ImagePlanes, Plane

#: Number of pixels of the images whose noise is estimated at the start, about, and the least number of these images. If
#: there are more, levels are estimated from squares of this side in the middle of images.
_PIXELS, _IMAGES, _SIDE = 2**24, 16, 256
#: Range of noise levels with white at 1. Others are not in the units of the images.
_LEVELS = 1e-6, 100.0


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
        level: Mean of the known noise levels, with white at 1. The contrast of the crops gives all images this level.
        correlation: Correlation of the noise of all planes, (C, C, k, k); ``None`` for white noise.
    """

    images: list[list[Plane]]
    level: float
    correlation: Tensor | None

    @property
    def levels(self) -> list[float]:
        """Noise levels of the planes, with white at 1, as far as they are known."""
        return [plane.sigma for planes in self.images for plane in planes if plane.later is None]


def with_noise(
    images: ImagePlanes, noise: float | NoiseModel | Sequence[float] | None, correlated: bool = False
) -> Noisy:
    """Add the noise and the contrast to the planes of noisy images.

    If the noise of more than 16 images with more than 17 million pixels is not given, that of a part of them is
    estimated: of every n-th, so that they have about 17 million pixels, but of 16 at least. That of the others is
    estimated when they are first used. All these levels are those of the middle of the images.

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
    if noise is None:
        return _with_estimates(images, correlated)
    given = list(noise) if isinstance(noise, Iterable) else [noise] * len(images)
    if len(given) != len(images):
        raise ValueError(f"noise must be one for all images, or one per image: got {len(given)} for {len(images)}")
    return _with_models(images, [as_noise_model(one) for one in given], estimated=False)


def _with_estimates(images: ImagePlanes, correlated: bool) -> Noisy:
    """Return images with estimated noise: of some at once, of the others when they are first used."""
    numbers = _sample(images)
    sample = [images[number] for number in numbers]
    side = None if len(sample) == len(images) else _SIDE
    found = found_correlated(sample) if correlated else None
    known = _with_models(sample, found or [_estimated(planes, side) for planes in sample], True, found is not None)
    if side is None:
        return known
    others = dict(enumerate(found or []))
    estimate = like_others(sample, others, side) if others else partial(_estimated, side=side)
    at_once = dict(zip(numbers, known.images, strict=True))
    return known._replace(
        images=[at_once.get(n) or _left_for_later(planes, estimate, known.level) for n, planes in enumerate(images)]
    )


def _sample(images: ImagePlanes) -> list[int]:
    """Return the numbers of the images whose noise is estimated at the start."""
    pixels = sum(math.prod(planes[0].shape) for planes in images)
    count = min(len(images), max(_IMAGES, len(images) * _PIXELS // pixels))
    return [len(images) * k // count for k in range(count)]


def _left_for_later(
    planes: Sequence[Plane], estimate: Callable[[Sequence[Plane]], NoiseModel], level: float
) -> list[Plane]:
    """Return the planes of an image whose noise is estimated when one of them is first used."""
    found: dict[tuple[int, ...], Plane] = {}

    def known(plane: Plane) -> Plane:
        if not found:
            found.update({one.channels: one for one in _with_own_noise(planes, estimate(planes), True)})
        own = found[plane.channels]
        return replace(
            plane,
            noise=own.noise,
            stabilizer=own.stabilizer,
            sigma=own.sigma,
            contrast=level / own.sigma,
            later=None,
        )

    return [replace(plane, later=known) for plane in planes]


def _with_models(images: ImagePlanes, models: Sequence[NoiseModel], estimated: bool, correlated: bool = False) -> Noisy:
    """Return images with the noise of each, and the contrast that gives all the mean level."""
    correlation = shared_correlation(images, models, estimated=correlated)
    known = [_with_own_noise(planes, model, estimated) for planes, model in zip(images, models, strict=True)]
    levels = [_mean([plane.sigma for plane in planes]) for planes in known]
    mean = _mean(levels)
    return Noisy([[replace(p, contrast=mean / p.sigma) for p in planes] for planes in known], mean, correlation)


def _mean(levels: Sequence[float]) -> float:
    """Return the mean, which is exact if all are equal."""
    return levels[0] if len(set(levels)) == 1 else math.fsum(levels) / len(levels)


def _with_own_noise(planes: Sequence[Plane], model: NoiseModel, estimated: bool) -> list[Plane]:
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


def _estimated(planes: Sequence[Plane], side: int | None = None) -> GaussianNoise:
    """Return the mean of the wavelet estimates of all channels, or of squares in their middle."""
    channels = [channel.numpy() for plane in planes for channel in plane.pixels()]
    level = float(np.mean([wavelet_level(channel, 1.0, side) for channel in channels]))
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


def check_levels(levels: Iterable[float], data_range: float) -> None:
    """Raise ``ValueError`` unless the noise levels of a training suit the value of white.

    Args:
        levels: Standard deviations, with white at 1.
        data_range: Value of white.

    Example:
        >>> check_levels([0.1, 0.2], 255)
        >>> check_levels([0.1, 200], 255)
        Traceback (most recent call last):
        ValueError: the noise level 51000 is 200 times the value of white, 255: give it in the units of the images
    """
    for level in levels:
        if not _LEVELS[0] <= level <= _LEVELS[1]:
            raise ValueError(
                f"the noise level {level * data_range:.6g} is {level:.3g} times the value of white, {data_range:g}: "
                "give it in the units of the images"
            )
