"""How much noise an image carries, by scikit-image."""

from __future__ import annotations

import warnings

import numpy as np

from scorematching.images.arrays import to_planes


def wavelet_sigma(image: np.ndarray, data_range: float | None = None) -> float:
    """Standard deviation of white Gaussian noise in an image, in its own units (0-255 for 8 bit).

    By the median of the finest wavelet coefficients (Donoho & Johnstone 1994), the mean over the channels. Fine
    texture counts as noise, so that the estimate is rather too high, and little noise in a sharp image much too high.

    Args:
        image: Shape (H, W) or (H, W, C), as in :func:`scorematching.images.to_planes`.
        data_range: The image's value of white.

    Raises:
        TypeError: The image is not an array of a known type.
        ValueError: Its shape is unknown, or a value is not finite.

    Example:
        >>> noisy = np.random.default_rng(0).normal(128, 25, (128, 128))
        >>> 24 < wavelet_sigma(noisy, data_range=255) < 26
        True
    """
    from skimage.restoration import estimate_sigma  # loads scipy.stats, which takes longer than a denoising

    planes = to_planes(image, data_range)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a flat image has no coefficients to take the median of
        found = [estimate_sigma(plane) for plane in planes.data[:, 0].numpy()]
    return planes.data_range * float(np.nan_to_num(found).mean())
