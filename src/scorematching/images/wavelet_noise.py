"""Noise estimation from wavelet coefficients, by scikit-image."""

from __future__ import annotations

import warnings

import numpy as np

from scorematching.images.arrays import to_planes


def wavelet_sigma(image: np.ndarray, data_range: float | None = None) -> float:
    """Estimate the standard deviation of white Gaussian noise in an image, in the units of the image (0-255 for 8 bit).

    The estimate is based on the median of the finest wavelet coefficients (Donoho & Johnstone 1994), averaged over the
    channels. Fine texture counts as noise, so the estimate is too high; it is much too high for a sharp image with
    little noise.

    Args:
        image: Image, as in :func:`scorematching.images.to_planes`.
        data_range: Value of white in the image.

    Raises:
        TypeError: The type of the image is not supported.
        ValueError: The shape is not supported, or a value is not finite.

    Example:
        >>> noisy = np.random.default_rng(0).normal(128, 25, (128, 128))
        >>> 24 < wavelet_sigma(noisy, data_range=255) < 26
        True
    """
    from skimage.restoration import estimate_sigma  # loads scipy.stats, which takes longer than a denoising

    planes = to_planes(image, data_range)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a constant image has no nonzero coefficients
        found = [estimate_sigma(plane) for plane in planes.data[:, 0].numpy()]
    return planes.data_range * float(np.nan_to_num(found).mean())
