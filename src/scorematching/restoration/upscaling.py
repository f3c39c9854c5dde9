"""Super-resolution: find a probable large image that shrinks to the given one."""

from __future__ import annotations

import numpy as np
import torch

from scorematching.images.arrays import find_white
from scorematching.noise import NoiseModel, as_noise_model
from scorematching.restoration.choice import PriorChoice
from scorematching.restoration.inverse import RestorationMethod, restore
from scorematching.restoration.operators import BicubicDownsampling
from scorematching.runtime.arguments import check_count
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import ProgressCallback


def upscale(
    image: np.ndarray,
    factor: int,
    prior: PriorChoice = None,
    *,
    noise: float | NoiseModel | None = None,
    method: RestorationMethod = "auto",
    steps: int | None = None,
    data_range: float | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: ProgressCallback | None = None,
) -> np.ndarray:
    """Enlarge an image.

    This is :func:`scorematching.restore` with bicubic downsampling. It starts from the bicubic interpolation.

    Args:
        image: Image of shape (H, W) or (H, W, C), integers or floating point. An alpha channel is enlarged by
            nearest-neighbor interpolation.
        factor: Enlargement of each side, 2 or more.
        prior: As in :func:`scorematching.denoise`.
        noise: As in :func:`scorematching.restore`.
        method: As in :func:`scorematching.restore`.
        steps: As in :func:`scorematching.restore`.
        data_range: Value of white in the image, as in :func:`scorematching.images.to_planes`.
        seed: As in :func:`scorematching.restore`.
        device: As in :func:`scorematching.restore`.
        progress: As in :func:`scorematching.restore`.

    Returns:
        The large image, (factor H, factor W) or (factor H, factor W, C), with the type and range of ``image``.

    Raises:
        FileNotFoundError: There is no such prior.
        TypeError: The type of the image is not supported, or ``noise`` or ``prior`` is of the wrong type.
        ValueError: The image is too small or its shape is not supported, a value is not finite, or an option is out of
            its range.

    Example:
        >>> import scorematching as sm
        >>> prior = sm.priors.FieldPrior(sm.FieldConfig(filters=8, size=3), noise=0.1)
        >>> sm.upscale(np.zeros((10, 12), np.uint8), factor=2, prior=prior, steps=2).shape
        (20, 24)
    """
    factor = check_count("factor", factor, least=2)
    if noise is not None:
        as_noise_model(noise)
    check_arguments(upscale, locals())
    find_white(image, data_range)  # raises if the array is not an image
    operator = BicubicDownsampling(factor, (factor * image.shape[0], factor * image.shape[1]))
    return restore(
        image,
        operator,
        prior,
        noise=noise,
        method=method,
        steps=steps,
        data_range=data_range,
        seed=seed,
        device=device,
        progress=progress,
    )
