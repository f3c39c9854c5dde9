"""A sample of a large image, which stands for it where noise and range are estimated."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorematching.runtime.kinds import check_arguments

#: Largest side in pixels of a sample. A longer side has two halves, at a quarter and three quarters of the rest.
_SIDE = 2048


def sampled(image: Any) -> Any:
    """Return an image, (H, W) or (H, W, C), or a sample of at most 2048 x 2048 pixels if it is larger.

    A sample has four parts. Where they meet, it has edges that the image does not have.

    Args:
        image: Array of NumPy or dask. All else is returned.

    Example:
        >>> sampled(np.zeros((4, 6))).shape, sampled(np.zeros((3000, 6, 3))).shape
        ((4, 6), (2048, 6, 3))
    """
    check_arguments(sampled, locals())
    if getattr(image, "ndim", 0) not in (2, 3) or max(image.shape[:2]) <= _SIDE:
        return image
    rows, columns = (sample_places(size) for size in image.shape[:2])
    return np.concatenate([np.concatenate([image[i, j] for j in columns], 1) for i in rows], 0)


def sample_places(size: int) -> list[slice]:
    """Return the parts of a side of an image that a sample has.

    Example:
        >>> sample_places(500), sample_places(3024)
        ([slice(0, 500, None)], [slice(500, 1524, None), slice(1500, 2524, None)])
    """
    if size <= _SIDE:
        return [slice(0, size)]
    half = _SIDE // 2
    return [slice(start, start + half) for start in ((size - half) * k // 4 for k in (1, 3))]
