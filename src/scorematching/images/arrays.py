"""Pictures of any type and number of channels, as a batch of planes, and back with the same type and range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Planes:
    """A picture as planes, and what it takes to turn planes into such a picture again.

    Attributes:
        data: Shape (C, 1, H, W), float32, black 0 and white 1.
        peak: The picture's value of white, which is 1 in ``data``.
        dtype: The picture's type.
        channels: Whether the picture has a dimension of channels (the last one).
        alpha: The picture's alpha channel, (H, W), left as it is; or ``None``.
    """

    data: Tensor
    peak: float
    dtype: np.dtype
    channels: bool
    alpha: np.ndarray | None


def to_planes(image: np.ndarray, peak: float | None = None) -> Planes:
    """Split a picture into planes, with white at 1.

    Args:
        image: Shape (H, W), or (H, W, C) with C = 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha); uint8, uint16
            or floating point.
        peak: The value of white. By default 255 for uint8, 65535 for uint16; for floating point 1, or the largest
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
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image must be a numpy array, got {type(image).__name__}")
    if image.dtype.kind + str(image.dtype.itemsize) not in ("u1", "u2", "f2", "f4", "f8"):
        raise TypeError(f"image must be uint8, uint16 or floating point, got {image.dtype}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 2, 3, 4)) or 0 in image.shape:
        raise ValueError(f"image must have shape (H, W) or (H, W, 1 to 4), got {image.shape}")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ValueError(f"image has {int((~np.isfinite(image)).sum())} values that are NaN or infinite")
    if peak is None:
        largest = float(image.max())
        peak = float(np.iinfo(image.dtype).max) if image.dtype.kind == "u" else largest if largest > 2 else 1.0
    if not (peak > 0 and np.isfinite(peak)):
        raise ValueError(f"peak must be a positive number, got {peak}")
    channels = image.ndim == 3
    stack = image if channels else image[..., None]
    alpha = stack[..., -1].copy() if stack.shape[2] in (2, 4) else None
    colours = stack[..., :-1] if alpha is not None else stack
    data = np.ascontiguousarray(np.moveaxis(colours, 2, 0)[:, None], dtype=np.float32) / np.float32(peak)
    return Planes(torch.from_numpy(data), peak, image.dtype, channels, alpha)


def from_planes(planes: Planes, data: Tensor) -> np.ndarray:
    """A picture like the one that ``planes`` came from, with other ``data``: same type, range and channels.

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
    if not bool(torch.isfinite(data).all()):
        raise ValueError(f"the result has {int((~torch.isfinite(data)).sum())} pixels that are NaN or infinite")
    stack = np.moveaxis(data.detach().cpu().double().numpy()[:, 0], 0, 2) * planes.peak
    if planes.dtype.kind == "u":
        stack = np.clip(np.rint(stack), 0, np.iinfo(planes.dtype).max)
    stack = stack.astype(planes.dtype)
    if planes.alpha is not None:
        height, width = stack.shape[:2]
        rows = np.arange(height) * planes.alpha.shape[0] // height
        columns = np.arange(width) * planes.alpha.shape[1] // width
        stack = np.concatenate([stack, planes.alpha[rows][:, columns, None]], axis=2)
    return stack if planes.channels else stack[..., 0]
