"""Classic methods for comparison, from scikit-image, each with the option that gives the best PSNR.

This choice needs the clean image, which is not available in practice. So the results are upper bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from scorematching.images import psnr


def total_variation(noisy: np.ndarray, sigma: float, clean: np.ndarray) -> np.ndarray:
    """Denoise an image, with white at 1, by total variation (Chambolle 2004) with the best of seven weights."""
    weights = (sigma * share for share in (0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0))
    colors = _colors(noisy)
    return _best(clean, (denoise_tv_chambolle(noisy, weight=weight, channel_axis=colors) for weight in weights))


def non_local_means(noisy: np.ndarray, sigma: float, clean: np.ndarray) -> np.ndarray:
    """Denoise an image, with white at 1, by non-local means (Buades et al. 2005) with the best of four cut-offs."""
    settings = (share * sigma for share in (0.5, 0.6, 0.7, 0.8))
    shape = {"patch_size": 5, "patch_distance": 6, "channel_axis": _colors(noisy)}
    return _best(clean, (denoise_nl_means(noisy, h=h, sigma=sigma, fast_mode=True, **shape) for h in settings))


def _colors(image: np.ndarray) -> int | None:
    """Return the axis of the colors, or ``None`` for grayscale images."""
    return 2 if image.ndim == 3 else None


def _best(clean: np.ndarray, candidates: Iterable[np.ndarray]) -> np.ndarray:
    quality: Callable[[np.ndarray], float] = lambda image: psnr(clean, image)  # noqa: E731
    return max(candidates, key=quality)
