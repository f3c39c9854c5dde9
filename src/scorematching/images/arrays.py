"""Conversion between images of any type and number of channels and batches of planes (tensors)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scorematching.runtime.kinds import check_arguments

#: Number of rows that are converted at a time, to limit the memory in double precision.
_ROWS = 64


#: Kinds and sizes in bytes of the supported types.
_TYPES = ("u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8")
#: Least range of the values of an image, relative to the largest. Below it, rounding to 32 bits changes them visibly.
_PRECISION = 1e-4
#: Largest value of white, and largest value relative to white. Their squares must not overflow with 32 bits.
_MOST = 1e15
#: Relative range that is a rounding error of 64 bits.
_CONSTANT = 1e-12


@dataclass(frozen=True)
class Planes:
    """Color planes of an image, with the information needed to convert planes back to the image's format.

    Attributes:
        data: Planes, shape (C, 1, H, W), float32, with black at 0 and white at 1.
        data_range: Value of white in the image.
        dtype: Type of the image.
        channels: Whether the image has a channel dimension (the last one).
        alpha: Alpha channel of the image, shape (H, W), unchanged; or ``None``.

    Example:
        >>> planes = to_planes(np.zeros((4, 6, 2), np.uint8))
        >>> planes.data.shape, planes.alpha.shape, planes.data_range
        (torch.Size([1, 1, 4, 6]), (4, 6), 255.0)
    """

    data: Tensor
    data_range: float
    dtype: np.dtype
    channels: bool
    alpha: np.ndarray | None


def to_planes(image: np.ndarray, data_range: float | None = None) -> Planes:
    """Split an image into color planes, scaled to black at 0 and white at 1.

    Args:
        image: Array of integers of 8, 16 or 32 bits or of floating point, with shape (H, W), or (H, W, C) where C is 1
            (grayscale), 2 (grayscale and alpha), 3 (RGB) or 4 (RGB and alpha).
        data_range: Value of white. The default is 255 for uint8 and 65535 for uint16. For floating point it is 1, or
            the largest value of the image if that is above 2; values slightly above 1 are considered noise. For other
            integers it is the largest absolute value of the image.

    Returns:
        Planes of the image.

    Raises:
        TypeError: ``image`` is not an array of one of these types.
        ValueError: The shape is not supported or has a side of 0 pixels, a value is not finite, or ``data_range`` is
            not positive.

    Example:
        >>> planes = to_planes(np.full((4, 6, 3), 255, np.uint8))
        >>> planes.data.shape, planes.data.max().item()
        (torch.Size([3, 1, 4, 6]), 1.0)
    """
    check_arguments(to_planes, locals())
    data_range = find_white(image, data_range)
    channels = image.ndim == 3
    stack = image if channels else image[..., None]
    alpha = stack[..., -1].copy() if stack.shape[2] in (2, 4) else None
    colors = np.moveaxis(stack[..., :-1] if alpha is not None else stack, 2, 0)[:, None]
    data = np.divide(colors, np.float32(data_range), dtype=np.float32, order="C", casting="same_kind")
    return Planes(torch.from_numpy(data), data_range, image.dtype, channels, alpha)


def find_white(image: np.ndarray, data_range: float | None = None, *, missing: bool = False) -> float:
    """Return the value of white of an image: ``data_range`` if given, else the default of :func:`to_planes`.

    Args:
        image: As in :func:`to_planes`.
        data_range: Value of white, if known.
        missing: Whether floating-point images may have missing values: NaN or infinite ones, which do not count.

    Raises:
        TypeError: As in :func:`to_planes`.
        ValueError: As in :func:`to_planes`.

    Example:
        >>> find_white(np.zeros((4, 6), np.uint16)), find_white(np.full((4, 6), 4000.0))
        (65535.0, 4000.0)
    """
    check_arguments(find_white, locals())
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image must be a numpy array, got {type(image).__name__}: convert it with numpy.asarray")
    check_type(image.dtype)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 2, 3, 4)) or 0 in image.shape:
        raise ValueError(f"image must have shape (H, W) or (H, W, C) with C from 1 to 4, got {image.shape}")
    if image.dtype.kind == "f" and not missing and not np.isfinite(image).all():
        raise ValueError(f"image has {int((~np.isfinite(image)).sum())} values that are NaN or infinite")
    _check_precision(image, data_range)
    if data_range is None:
        data_range = _white_of(image)
    data_range = float(data_range)
    largest = _largest(image)
    if data_range > _MOST or largest > _MOST * data_range:
        raise ValueError(
            f"the values, up to {largest:.3g} for the value of white, data_range, {data_range:.3g}, are outside of the "
            "range of 32 bits: scale the image"
        )
    return data_range


def _white_of(image: np.ndarray) -> float:
    """Return the value of white by default."""
    if has_white(image.dtype):
        return float(np.iinfo(image.dtype).max)
    if image.dtype.kind in "iu":
        return max(_largest(image), 1.0)
    largest = float(image.max(initial=0, where=np.isfinite(image)))
    return largest if largest > 2 else 1.0


def _largest(image: np.ndarray) -> float:
    """Return the largest absolute value that is finite."""
    if image.dtype.kind in "iu":
        return float(max(abs(int(image.min())), abs(int(image.max()))))
    finite = np.isfinite(image)
    return max(float(image.max(initial=0, where=finite)), -float(image.min(initial=0, where=finite)))


def check_type(dtype: np.dtype) -> None:
    """Raise ``TypeError`` unless pixels of a type are supported.

    Example:
        >>> check_type(np.dtype(np.int16))
    """
    if dtype.kind + str(dtype.itemsize) not in _TYPES:
        raise TypeError(
            f"image must have integers of 8, 16 or 32 bits or floating point, got {dtype}: convert it with astype"
        )


def _check_precision(image: np.ndarray, data_range: float | None) -> None:
    """Raise ``ValueError`` if the range of values is too small, for their size, for computation with 32 bits."""
    if image.dtype.itemsize < 4 or image.dtype == np.float32:
        return
    values = image[np.isfinite(image)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    size, spread = max(abs(low), abs(high)), high - low if data_range is None else data_range
    if _CONSTANT * size < spread < _PRECISION * size:
        raise ValueError(
            f"the values, from {low:.9g}, have a range of {spread:.3g}, too small for their size: subtract {low:.9g}"
        )


def has_white(dtype: np.dtype) -> bool:
    """Return whether the type alone tells the value of white: that of photographs, uint8 and uint16.

    Example:
        >>> has_white(np.dtype("uint16")), has_white(np.dtype("int16"))
        (True, False)
    """
    return dtype.kind == "u" and dtype.itemsize <= 2


def find_own_white(image: np.ndarray, data_range: float | None = None) -> float:
    """Return the value of white that an image's own range suggests: ``data_range`` if given.

    A camera of 12 bits writes files of 16 bits, and a dim image uses a part of them. For uint16 the value of white is
    therefore the smallest of 255, 511, ... 65535 that is not below the largest value. For other types it is that of
    :func:`find_white`.

    Raises:
        TypeError: As :func:`to_planes`.
        ValueError: As :func:`to_planes`.

    Example:
        >>> find_own_white(np.full((4, 6), 1000, np.uint16))
        1023.0
    """
    check_arguments(find_own_white, locals())
    white = find_white(image, data_range)
    if data_range is None and image.dtype == np.uint16:
        return float(2 ** max(8, int(image.max()).bit_length()) - 1)
    return white


def from_planes(planes: Planes, data: Tensor) -> np.ndarray:
    """Convert planes back to an image with the type, range and channels of the original.

    Integers are rounded and clipped to the range of their type. An alpha channel of the original is kept. If the size
    has changed, it is resized by nearest-neighbor interpolation.

    Args:
        planes: Planes of the original image, from :func:`to_planes`.
        data: New planes, shape (C, 1, H, W), with black at 0 and white at 1. H and W may differ from the original.

    Raises:
        ValueError: ``data`` has a value that is not finite.

    Example:
        >>> image = np.arange(6, dtype=np.uint8).reshape(2, 3)
        >>> planes = to_planes(image)
        >>> bool((from_planes(planes, planes.data) == image).all())
        True
    """
    check_arguments(from_planes, locals())
    if data.ndim != 4 or 0 in data.shape or data.shape[1] != 1:
        raise ValueError(f"data must have shape (C, 1, H, W), got {tuple(data.shape)}")
    height, width = data.shape[2:]
    blocks = [slice(top, top + _ROWS) for top in range(0, height, _ROWS)]
    lost = sum(int((~torch.isfinite(data[:, 0, rows])).sum()) for rows in blocks)
    if lost:
        raise ValueError(f"the result has {lost} pixels that are NaN or infinite")
    colors = len(data)
    image = np.empty((height, width, colors + (planes.alpha is not None)), planes.dtype)
    for rows in blocks:
        block = np.moveaxis(data[:, 0, rows].detach().cpu().double().numpy(), 0, 2) * planes.data_range
        if planes.dtype.kind in "iu":
            limits = np.iinfo(planes.dtype)
            block = np.clip(np.rint(block), limits.min, limits.max)
        image[rows, :, :colors] = block
    if planes.alpha is not None:
        down = np.arange(height) * planes.alpha.shape[0] // height
        across = np.arange(width) * planes.alpha.shape[1] // width
        image[..., -1] = planes.alpha[down][:, across]
    return image if planes.channels else image[..., 0]
