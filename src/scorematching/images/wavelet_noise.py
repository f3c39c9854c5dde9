"""Noise level from wavelet coefficients, by PyWavelets."""

from __future__ import annotations

import numpy as np
import pywt
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.images.arrays import to_planes
from scorematching.images.validity import tells_level

#: Median of the absolute value of a standard normal number.
_MEDIAN = 0.6744897501960817


def wavelet_sigma(image: np.ndarray, data_range: float | None = None) -> float:
    """Estimate the standard deviation of white Gaussian noise in an image, in the image's own units (0-255 for 8 bit).

    The estimate is the median of the absolute values of the finest diagonal wavelet coefficients, divided by that of a
    standard normal number (Donoho & Johnstone 1994), averaged over the channels. Coefficients of pixels that cannot be
    noisy, and those near clipped pixels, do not count (:func:`scorematching.images.tells_level`). Fine texture counts
    as noise, so the estimate is too high for a sharp image with little noise.

    Args:
        image: Image, as in :func:`scorematching.images.to_planes`.
        data_range: Value of white in the image.

    Returns:
        The standard deviation; 0 if no pixel can be noisy.

    Raises:
        TypeError: The type of the image is not supported.
        ValueError: The shape is not supported, or a value is not finite.

    Example:
        >>> noisy = np.random.default_rng(0).normal(128, 25, (128, 128))
        >>> 24 < wavelet_sigma(noisy, data_range=255) < 26
        True
    """
    planes = to_planes(image, data_range)
    return planes.data_range * level_of_planes(planes.data, tells_level(planes.data))


def level_of_planes(planes: Tensor, counted: Tensor) -> float:
    """Estimate the noise level of planes, (C, 1, H, W), from the pixels that count, shape (H, W)."""
    return float(np.mean([_sigma(plane, counted.numpy()) for plane in planes[:, 0].numpy()]))


def wavelet_response(correlation: np.ndarray) -> float:
    """Return the standard deviation of the finest diagonal wavelet coefficients of noise with variance 1.

    Args:
        correlation: Correlation of pixels by their distance, shape (k, k) with odd ``k``.

    Example:
        >>> wavelet_response(np.ones((1, 1)))
        1.0
    """
    high = np.array(pywt.Wavelet("db2").dec_hi)
    pairs, reach = np.correlate(high, high, "full"), len(high) - 1
    middle = correlation.shape[0] // 2
    near = np.pad(correlation, max(reach - middle, 0))
    first = near.shape[0] // 2 - reach
    near = near[first : first + 2 * reach + 1, first : first + 2 * reach + 1]
    return round(float(max(pairs @ near @ pairs, 1e-6)) ** 0.5, 9)


def _sigma(plane: np.ndarray, counted: np.ndarray) -> float:
    """Estimate the noise level of a plane from the pixels that count, shape (H, W)."""
    details = pywt.dwtn(plane, wavelet="db2")["dd"]
    # Coefficient k depends on pixels 2 k - 2 to 2 k + 1: four taps, with the image extended by two pixels.
    after = [2 * n - 2 - size for n, size in zip(details.shape, counted.shape, strict=True)]
    silent = F.pad(torch.from_numpy(~counted)[None, None].float(), [2, after[1] + 2, 2, after[0] + 2])
    touched = F.max_pool2d(silent, 4, 2)[0, 0, : details.shape[0], : details.shape[1]].numpy() > 0
    used = details[~touched & (details != 0)]
    return float(np.median(np.abs(used))) / _MEDIAN if used.size else 0.0
