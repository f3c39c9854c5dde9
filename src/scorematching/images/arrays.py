"""Images of any type and number of channels, as a batch of planes, and back with the same type and range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: Rows of an image that are worked on at a time, lest all of it be held in double precision.
_ROWS = 64


@dataclass(frozen=True)
class Planes:
    """An image as planes, and what it takes to turn planes into such an image again.

    Attributes:
        data: Shape (C, 1, H, W), float32, black 0 and white 1.
        data_range: The image's value of white, which is 1 in ``data``.
        dtype: The image's type.
        channels: Whether the image has a dimension of channels (the last one).
        alpha: The image's alpha channel, (H, W), left as it is; or ``None``.
    """

    data: Tensor
    data_range: float
    dtype: np.dtype
    channels: bool
    alpha: np.ndarray | None


def to_planes(image: np.ndarray, data_range: float | None = None) -> Planes:
    """Split an image into planes, with white at 1.

    Args:
        image: Shape (H, W), or (H, W, C) with C = 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha); uint8, uint16
            or floating point.
        data_range: The value of white. By default 255 for uint8, 65535 for uint16; for floating point 1, or the largest
            value where that is larger than 2 (a little above 1 is taken for noise).

    Raises:
        TypeError: Not an array of a type above.
        ValueError: Not of a shape above, a side of no pixels, values that are not finite, or a peak that is not
            positive.

    Example:
        >>> planes = to_planes(np.full((4, 6, 3), 255, np.uint8))
        >>> planes.data.shape, planes.data.max().item()
        (torch.Size([3, 1, 4, 6]), 1.0)
    """
    data_range = find_white(image, data_range)
    channels = image.ndim == 3
    stack = image if channels else image[..., None]
    alpha = stack[..., -1].copy() if stack.shape[2] in (2, 4) else None
    colors = np.moveaxis(stack[..., :-1] if alpha is not None else stack, 2, 0)[:, None]
    data = np.divide(colors, np.float32(data_range), dtype=np.float32, order="C", casting="same_kind")
    return Planes(torch.from_numpy(data), data_range, image.dtype, channels, alpha)


def find_white(image: np.ndarray, data_range: float | None = None) -> float:
    """Return the value of white of an image: ``data_range`` if given. :func:`to_planes` names the errors.

    Example:
        >>> find_white(np.zeros((4, 6), np.uint16)), find_white(np.full((4, 6), 4000.0))
        (65535.0, 4000.0)
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image must be a numpy array, got {type(image).__name__}")
    if image.dtype.kind + str(image.dtype.itemsize) not in ("u1", "u2", "f2", "f4", "f8"):
        raise TypeError(f"image must be uint8, uint16 or floating point, got {image.dtype}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 2, 3, 4)) or 0 in image.shape:
        raise ValueError(f"image must have shape (H, W) or (H, W, 1 to 4), got {image.shape}")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ValueError(f"image has {int((~np.isfinite(image)).sum())} values that are NaN or infinite")
    if data_range is None and image.dtype.kind == "u":
        data_range = float(np.iinfo(image.dtype).max)
    elif data_range is None:
        largest = float(image.max())
        data_range = largest if largest > 2 else 1.0
    if not (data_range > 0 and np.isfinite(data_range)):
        raise ValueError(f"peak must be a positive number, got {data_range}")
    return data_range


def from_planes(planes: Planes, data: Tensor) -> np.ndarray:
    """An image like the one that ``planes`` came from, with other ``data``: same type, range and channels.

    Integers are rounded and clipped to their type's range. An alpha channel comes back where the size is unchanged;
    otherwise it is enlarged or shrunk to the new size by its nearest entries.

    Raises:
        ValueError: ``data`` is not finite.

    Example:
        >>> image = np.arange(6, dtype=np.uint8).reshape(2, 3)
        >>> planes = to_planes(image)
        >>> bool((from_planes(planes, planes.data) == image).all())
        True
    """
    height, width = data.shape[2:]
    blocks = [slice(top, top + _ROWS) for top in range(0, height, _ROWS)]
    lost = sum(int((~torch.isfinite(data[:, 0, rows])).sum()) for rows in blocks)
    if lost:
        raise ValueError(f"the result has {lost} pixels that are NaN or infinite")
    colors = len(data)
    image = np.empty((height, width, colors + (planes.alpha is not None)), planes.dtype)
    for rows in blocks:
        block = np.moveaxis(data[:, 0, rows].detach().cpu().double().numpy(), 0, 2) * planes.data_range
        if planes.dtype.kind == "u":
            block = np.clip(np.rint(block), 0, np.iinfo(planes.dtype).max)
        image[rows, :, :colors] = block
    if planes.alpha is not None:
        down = np.arange(height) * planes.alpha.shape[0] // height
        across = np.arange(width) * planes.alpha.shape[1] // width
        image[..., -1] = planes.alpha[down][:, across]
    return image if planes.channels else image[..., 0]
