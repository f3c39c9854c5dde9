"""A sample of a large image, which stands for it where noise and range are estimated."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Largest side in pixels of a sample. A longer side has two halves, at a quarter and three quarters of the rest.
_SIDE = 2048


def sampled(image: Any) -> Any:
    """Return an image, (H, W) or (H, W, C), or a sample of at most 2048 x 2048 pixels if it is larger.

    A sample has four parts. Where they meet, it has edges that the image does not have.

    Args:
        image: Array that can be indexed by arrays of numbers, such as NumPy's and dask's. All else is returned.

    Example:
        >>> sampled(np.zeros((4, 6))).shape, sampled(np.zeros((3000, 6, 3))).shape
        ((4, 6), (2048, 6, 3))
    """
    for axis in range(2 if getattr(image, "ndim", 0) in (2, 3) else 0):
        size = image.shape[axis]
        if size > _SIDE:
            half, rest = _SIDE // 2, size - _SIDE // 2
            places = np.concatenate([np.arange(half) + rest * k // 4 for k in (1, 3)])
            image = image[places] if axis == 0 else image[:, places]
    return image
