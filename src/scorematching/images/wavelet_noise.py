"""How much noise a picture carries, by scikit-image."""

from __future__ import annotations

import warnings

import numpy as np
from skimage.restoration import estimate_sigma

from scorematching.images.arrays import to_planes


def estimate_noise(image: np.ndarray, peak: float | None = None) -> float:
    """Standard deviation of white Gaussian noise in a picture, in its own units (0-255 for 8 bit).

    By the median of the finest wavelet coefficients (Donoho & Johnstone 1994), the mean over the channels. Fine
    texture counts as noise, so that the estimate is rather too high, and little noise in a sharp picture much too high.

    Args:
        image: Shape (H, W) or (H, W, C), as in :func:`scorematching.images.to_planes`.
        peak: The picture's value of white.

    Raises:
        TypeError: The picture is not an array of a known type.
        ValueError: Its shape is unknown, or a value is not finite.

    Example:
        >>> noisy = np.random.default_rng(0).normal(128, 25, (128, 128))
        >>> 24 < estimate_noise(noisy, peak=255) < 26
        True
    """
    planes = to_planes(image, peak)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a flat picture has no coefficients to take the median of
        found = [estimate_sigma(plane) for plane in planes.data[:, 0].numpy()]
    return planes.peak * float(np.nan_to_num(found).mean())
