"""Photographs that are installed with scikit-image and scikit-learn, with white at 1. Nothing is downloaded."""

from __future__ import annotations

import numpy as np
from skimage import data
from skimage.color import gray2rgb, rgb2gray
from sklearn.datasets import load_sample_image

#: Photographs to train on.
TRAINING = ("coffee", "rocket", "coins", "brick", "gravel", "stereo_motorcycle", "china.jpg", "flower.jpg")
#: Photographs to test on. Do not train on them.
HELD_OUT = ("astronaut", "camera", "chelsea")


def training_photographs() -> list[np.ndarray]:
    """Return the photographs to train on, in grayscale, each of shape (H, W), float32, with white at 1.

    Example:
        >>> len(training_photographs())
        8
    """
    return [_load(name) for name in TRAINING]


def held_out_photograph(name: str, color: bool = False) -> np.ndarray:
    """Return a photograph of ``HELD_OUT``, float32, with white at 1.

    Args:
        name: Name of the photograph.
        color: Whether to return red, green and blue, shape (H, W, 3), instead of grayscale, shape (H, W).

    Raises:
        ValueError: The name is not in ``HELD_OUT``.

    Example:
        >>> held_out_photograph("chelsea").shape
        (300, 451)
    """
    if name not in HELD_OUT:
        raise ValueError(f"expected one of {', '.join(HELD_OUT)}, got {name!r}")
    return _load(name, color)


def _load(name: str, color: bool = False) -> np.ndarray:
    """Load a photograph in grayscale or color."""
    image = load_sample_image(name) if name.endswith(".jpg") else getattr(data, name)()
    image = image[0] if isinstance(image, tuple) else image  # the left image of the stereo pair
    if color and image.ndim == 2:
        image = gray2rgb(image)
    pixels = rgb2gray(image) if image.ndim == 3 and not color else image / 255
    return pixels.astype(np.float32)
