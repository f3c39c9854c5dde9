"""Photographs that ship inside scikit-image and scikit-learn, white at 1. Nothing is downloaded."""

from __future__ import annotations

import numpy as np
from skimage import data
from skimage.color import gray2rgb, rgb2gray
from sklearn.datasets import load_sample_image

#: To train on.
TRAINING = ("coffee", "rocket", "coins", "brick", "gravel", "stereo_motorcycle", "china.jpg", "flower.jpg")
#: To test on, never to train on.
HELD_OUT = ("astronaut", "camera", "chelsea")


def training_photographs() -> list[np.ndarray]:
    """The photographs to train on, in gray, each (H, W), float32."""
    return [_load(name) for name in TRAINING]


def held_out_photograph(name: str, color: bool = False) -> np.ndarray:
    """One of ``HELD_OUT`` in gray, (H, W), or in red, green and blue, (H, W, 3); float32.

    Raises:
        ValueError: It is not one of them.

    Example:
        >>> held_out_photograph("chelsea").shape
        (300, 451)
    """
    if name not in HELD_OUT:
        raise ValueError(f"expected one of {', '.join(HELD_OUT)}, got {name!r}")
    return _load(name, color)


def _load(name: str, color: bool = False) -> np.ndarray:
    image = load_sample_image(name) if name.endswith(".jpg") else getattr(data, name)()
    image = image[0] if isinstance(image, tuple) else image  # of the stereo pair, the left one
    if color and image.ndim == 2:
        image = gray2rgb(image)
    pixels = rgb2gray(image) if image.ndim == 3 and not color else image / 255
    return pixels.astype(np.float32)
