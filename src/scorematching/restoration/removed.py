"""What denoising removed, relative to the noise."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from scorematching.images.arrays import Planes
from scorematching.images.validity import can_be_noisy
from scorematching.noise import NoiseModel
from scorematching.restoration.missing import Known

#: Standard deviation of what was removed, relative to the noise, from which on it is more than the noise explains.
MUCH = 1.1


def removed_noise(planes: Planes, x: Tensor, noise: NoiseModel, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return what was removed, divided by the standard deviation of the noise, and which pixels count.

    Args:
        planes: Noisy planes.
        x: Denoised planes, (C, 1, H, W), with white at 1.
        noise: Noise model, in the units of the image.
        known: Which pixels are not missing, (H, W).

    Returns:
        The residual, (C, 1, H, W), double precision; 0 where there is no noise. The mask, (H, W).

    Example:
        >>> from scorematching.images import to_planes
        >>> from scorematching.noise import GaussianNoise
        >>> planes = to_planes(np.random.default_rng(0).normal(128, 5, (20, 30)), 255)
        >>> residual, counted = removed_noise(planes, planes.data - 5 / 255, GaussianNoise(5), torch.ones(20, 30) > 0)
        >>> residual.round().unique().tolist(), bool(counted.all())
        ([1.0], True)
    """
    pixels = [planes.data_range * np.moveaxis(of[:, 0].double().numpy(), 0, 2) for of in (planes.data, x)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pixels without noise do not count
        residual = torch.from_numpy(np.moveaxis(noise.residual(*pixels), 2, 0).copy())[:, None]
    noisy = residual.isfinite()
    return torch.where(noisy, residual, 0.0), known & can_be_noisy(planes.data) & noisy.any(0)[0]


def relative_size(residual: Tensor, counted: Tensor) -> float:
    """Return the root mean square of a residual, without channels of zeros; 0 if no pixel counts.

    Example:
        >>> relative_size(torch.full((3, 1, 4, 5), 2.0), torch.ones(4, 5) > 0)
        2.0
    """
    squares = residual[..., counted].square().mean((1, 2))
    return float(squares[squares > 0].mean().nan_to_num().sqrt())


def warn_if_far(known: Known, x: Tensor, noise: NoiseModel) -> None:
    """Warn if a result is further from the image than the noise explains."""
    far = relative_size(*removed_noise(known.planes, x.cpu(), noise, known.mask))
    if far > MUCH:
        warnings.warn(
            f"what was removed is {far:.2g} times as strong as the noise, {noise}: the image may be damaged; try less "
            "noise, or another noise model",
            stacklevel=3,
        )
