"""Correlated noise of training images: it is found, and brought to one correlation for all images."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from scorematching.images.wavelet_noise import wavelet_sigma
from scorematching.noise import CorrelatedNoise, NoiseModel
from scorematching.restoration.noise_estimate import estimate_noise
from scorematching.runtime.text import naming
from scorematching.training.planes import ImagePlanes, Plane, middle

#: Maximum number of images whose noise is estimated by a prior, which takes seconds for each.
_ESTIMATED = 8
#: Largest difference of the correlation of an image from the mean, at any distance: of given noise, and of estimates.
_DIFFERENCE, _OF_ESTIMATES = 0.02, 0.25
#: Correlation below which pixels farther apart count as independent.
_NEGLIGIBLE = 0.01


def found_correlated(images: ImagePlanes) -> list[CorrelatedNoise] | None:
    """Estimate the noise of images; return it if it is correlated, otherwise ``None``.

    :func:`scorematching.estimate_noise` looks at eight images at most. The noise is correlated if it is so in more than
    half of them. The others get the mean correlation of these, and a level in proportion to their wavelet estimate. A
    warning is given if the noise is correlated.

    Args:
        images: Planes of each image.
    """
    count = min(_ESTIMATED, len(images))
    looked_at = [len(images) * k // count for k in range(count)]
    found: dict[int, CorrelatedNoise] = {}
    for done, number in enumerate(looked_at):
        plane = images[number][0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # one warning for all images follows
            noise = estimate_noise(plane.image(), data_range=plane.data_range)
        if isinstance(noise, CorrelatedNoise):
            found[number] = noise
        if 2 * (done + 1 - len(found)) >= count:
            return None
    neighbors = float(np.mean([noise.neighbors for noise in found.values()]))
    warnings.warn(
        f"the noise that was found is correlated between pixels ({neighbors:.2f} between neighbors), and the prior is "
        "trained on such noise; if it is grain or texture that you want to keep, pass noise, a number (--sigma)",
        stacklevel=4,
    )
    if len(found) < len(images):
        like = like_others(images, found)
    return [found[number] if number in found else like(images[number]) for number in range(len(images))]


def like_others(
    images: ImagePlanes, found: Mapping[int, CorrelatedNoise], side: int | None = None
) -> Callable[[Sequence[Plane]], CorrelatedNoise]:
    """Return a function that estimates the noise of an image from those of others, by the ratio of wavelet estimates.

    Args:
        images: Planes of each image.
        found: Noise of some of them, by their numbers.
        side: Side of the square in the middle of an image whose noise is estimated; ``None`` for the whole image.
    """
    kernels = [kernel for k, noise in found.items() for kernel in _own_kernels(images[k], noise)]
    mean = np.mean([kernel / _mean_variance(kernel) for kernel in kernels], axis=0)
    levels = {k: wavelet_level(images[k][0].image(), images[k][0].data_range, side) for k in found}
    ratio = float(np.median([noise.sigma / max(levels[k], 1e-9) for k, noise in found.items()]))

    def like(planes: Sequence[Plane]) -> CorrelatedNoise:
        return CorrelatedNoise((ratio * wavelet_level(planes[0].image(), planes[0].data_range, side)) ** 2 * mean)

    return like


def wavelet_level(image: np.ndarray, data_range: float, side: int | None = None) -> float:
    """Return the wavelet estimate of the noise level of an image, or of a square in its middle if that has noise.

    Example:
        >>> image = np.random.default_rng(0).normal(100, 5, (90, 90))
        >>> 4 < wavelet_level(image, 255.0, 64) < 6
        True
    """
    return (side and wavelet_sigma(middle(image, side), data_range)) or wavelet_sigma(image, data_range)


def levels_of_planes(planes: Sequence[Plane], noise: CorrelatedNoise) -> list[float]:
    """Return the noise level of each plane of an image, with white at 1.

    A plane of several colors has one level, the root of their mean variance.

    Raises:
        ValueError: The noise is for another number of channels.
    """
    kernels = _own_kernels(planes, noise)
    return [_mean_variance(kernel) ** 0.5 / plane.data_range for kernel, plane in zip(kernels, planes, strict=True)]


def shared_correlation(images: ImagePlanes, models: Sequence[NoiseModel], estimated: bool) -> Tensor | None:
    """Return the correlation that the noise of all planes has, shape (C, C, k, k), or ``None`` if it is not correlated.

    It is the mean over the images and their planes. Planes of one channel have the autocovariance of this channel,
    divided by its variance; the covariance of different channels does not matter to them.

    Args:
        images: Planes of each image.
        models: Noise of each image.
        estimated: Whether the noise was estimated, so that small differences are chance.

    Raises:
        ValueError: The noise of one image is correlated, and that of another is not, or is so in another way.
    """
    correlated = [isinstance(model, CorrelatedNoise) for model in models]
    if not any(correlated):
        return None
    if not all(correlated):
        white = images[correlated.index(False)][0].name
        raise ValueError(
            f"{white}: its noise, {models[correlated.index(False)]}, is not correlated, but that of "
            f"{images[correlated.index(True)][0].name} is: fit a prior to each kind of noise"
        )
    found = [
        np.mean([kernel / _mean_variance(kernel) for kernel in _own_kernels(planes, model)], axis=0)
        for planes, model in zip(images, models, strict=True)
        if isinstance(model, CorrelatedNoise)
    ]
    side = max(kernel.shape[-1] for kernel in found)
    kernels = [np.pad(kernel, [(0, 0), (0, 0), *[((side - kernel.shape[-1]) // 2,) * 2] * 2]) for kernel in found]
    mean = np.mean(kernels, axis=0)
    differences = [float(np.abs(kernel - mean).max()) for kernel in kernels]
    worst = int(np.argmax(differences))
    if differences[worst] > (_OF_ESTIMATES if estimated else _DIFFERENCE):
        raise ValueError(
            f"{images[worst][0].name}: the correlation of its noise differs by {differences[worst]:.2g} from the mean "
            "of all images: fit a prior to each kind of noise, or pass one noise for all"
        )
    return torch.from_numpy(_without_tail(mean))


def _own_kernels(planes: Sequence[Plane], noise: CorrelatedNoise) -> list[np.ndarray]:
    """Return the autocovariance of the noise of each plane, (C, C, k, k), in the units of the image."""
    count = sum(len(plane.channels) for plane in planes)
    with naming(planes[0].name):
        whole = noise.for_channels(count)
    return [whole[np.ix_(plane.channels, plane.channels)] for plane in planes]


def _mean_variance(kernel: np.ndarray) -> float:
    middle = kernel.shape[-1] // 2
    return float(np.einsum("cc->c", kernel[..., middle, middle]).mean())


def _without_tail(kernel: np.ndarray) -> np.ndarray:
    """Return a correlation up to the distance beyond which it is negligible, and which noise can have."""
    middle = kernel.shape[-1] // 2
    rows, columns = np.nonzero((np.abs(kernel) > _NEGLIGIBLE).any((0, 1)))
    least = int(max(np.abs(rows - middle).max(), np.abs(columns - middle).max()))
    for reach in range(least, middle):
        near = slice(middle - reach, middle + reach + 1)
        with suppress(ValueError):
            return CorrelatedNoise(kernel[..., near, near]).autocovariance
    return kernel
