"""Pixels of an image that hold no data: NaN, infinite or fully transparent ones. They are filled, and put back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from scorematching.images.arrays import Planes, to_planes
from scorematching.restoration.operators import Mask


class Known(NamedTuple):
    """An image whose missing pixels are filled.

    Attributes:
        planes: The planes, with the mean of the known surroundings in missing pixels.
        mask: Which pixels are known, shape (H, W).
    """

    planes: Planes
    mask: Tensor

    def put_back(self, restored: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Return a restored image with the missing pixels of the original image."""
        missing = ~self.mask.numpy()
        if missing.any():
            restored[missing] = image[missing]
        return restored


def fill_missing(image: np.ndarray, data_range: float | None = None) -> Known:
    """Split an image into planes and fill its missing pixels.

    Args:
        image: As in :func:`scorematching.images.to_planes`; floating-point values may be NaN or infinite.
        data_range: The image's value of white.

    Raises:
        TypeError: The image has an unknown type.
        ValueError: The shape is unknown, or no pixel is finite.

    Example:
        >>> known = fill_missing(np.array([[1.0, np.nan, 0.5]]))
        >>> known.mask.tolist(), known.planes.data.flatten().tolist()
        ([[True, False, True]], [1.0, 0.75, 0.5])
    """
    finite = np.ones(0, dtype=bool)
    if isinstance(image, np.ndarray) and image.dtype.kind == "f" and not (finite := np.isfinite(image)).all():
        if not finite.any():
            raise ValueError("the image has no finite value: all pixels are NaN or infinite")
        image = np.where(finite, image, np.median(image[finite]))
    planes = to_planes(image, data_range)
    mask = torch.ones(planes.data.shape[2:], dtype=torch.bool)
    if finite.size:
        mask &= torch.from_numpy(finite if finite.ndim == 2 else finite.all(2))
    if not bool(mask.any()):
        raise ValueError("the image has no pixel whose values are all finite")
    if planes.alpha is not None:
        visible = mask & torch.from_numpy(planes.alpha > 0)
        mask = visible if bool(visible.any()) else mask  # of an invisible image, all pixels count
    if not bool(mask.all()):
        planes.data.copy_(Mask(mask).start(planes.data))
    return Known(planes, mask)
