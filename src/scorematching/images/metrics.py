"""Quality measures of restored images, by scikit-image."""

from __future__ import annotations

import math

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from scorematching.images.arrays import find_white
from scorematching.runtime.kinds import check_arguments

#: Side of the windows of :func:`ssim` in pixels, the smallest image side for which it is defined.
SSIM_WINDOW = 11
#: Largest value relative to white. The squares of their sums must not overflow.
_MOST = 1e15


def psnr(clean: np.ndarray, restored: np.ndarray, data_range: float | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB. Higher is better; it is infinite for equal images.

    Args:
        clean: Clean image.
        restored: Restored image of the same shape. It is clipped to the range from 0 to ``data_range`` first.
        data_range: Value of white. The default is the largest value of the clean image's type, or 1 for floating
            point.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> round(psnr(np.zeros((8, 8)), np.full((8, 8), 0.1)), 6)
        20.0
    """
    check_arguments(psnr, locals())
    clean, restored, data_range = _comparable(clean, restored, data_range)
    if np.array_equal(clean, restored):
        return math.inf
    return float(peak_signal_noise_ratio(clean, restored, data_range=data_range))


def ssim(clean: np.ndarray, restored: np.ndarray, data_range: float | None = None) -> float:
    """Return the structural similarity with Gaussian windows (Wang et al. 2004). It is 1 for equal images, else lower.

    The arguments are those of :func:`psnr`.

    Raises:
        ValueError: The shapes differ, or a side has fewer than ``SSIM_WINDOW`` pixels.

    Example:
        >>> round(ssim(np.eye(16), np.eye(16)), 6)
        1.0
    """
    check_arguments(ssim, locals())
    clean, restored, data_range = _comparable(clean, restored, data_range)
    if clean.ndim not in (2, 3) or min(clean.shape[:2]) < SSIM_WINDOW:
        raise ValueError(f"ssim takes images with sides of {SSIM_WINDOW} pixels or more, got shape {clean.shape}")
    value = structural_similarity(
        clean,
        restored,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2 if clean.ndim == 3 else None,
    )
    return float(value)


def _comparable(
    clean: np.ndarray, restored: np.ndarray, data_range: float | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return both images in double precision, the restored one clipped, and the value of white."""
    if clean.shape != restored.shape:
        raise ValueError(f"the images must have the same shape, got {clean.shape} and {restored.shape}")
    if clean.size == 0:
        raise ValueError(f"the images have no pixels: clean has shape {clean.shape}")
    for name, image in (("clean", clean), ("restored", restored)):
        if image.dtype.kind not in "biuf":
            raise TypeError(f"{name} must have real numbers, got {image.dtype}")
        if not np.isfinite(image).all():
            raise ValueError(f"{name} has {int((~np.isfinite(image)).sum())} values that are NaN or infinite")
    if data_range is None:
        data_range = find_white(clean) if clean.dtype.kind in "iu" else 1.0
    data_range = float(data_range)
    largest = float(np.abs(clean.astype(np.float64)).max())
    if largest > _MOST * data_range:
        raise ValueError(
            f"clean has values up to {largest:.3g}, for a value of white of {data_range:g}: pass data_range"
        )
    return clean.astype(np.float64), np.clip(restored.astype(np.float64), 0, data_range), data_range
