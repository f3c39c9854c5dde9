"""Denoising of raw files of cameras, before the colors between the pixels of the sensor are filled in."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from scorematching.images.io.raw import Sensor, develop, opened, put_back, sensor_of
from scorematching.noise import GaussianNoise, NoiseModel
from scorematching.restoration.choice import PriorChoice, loaded, prior_for
from scorematching.restoration.denoising import denoise
from scorematching.restoration.photon_noise import estimate_photon_noise
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import ProgressCallback, subtask


class DenoisedRaw(NamedTuple):
    """A raw file, denoised and developed.

    Attributes:
        image: Image in sRGB, uint16, (H, W, 3).
        noise: Noise of the sensor, in its own values above those without light.
    """

    image: np.ndarray
    noise: NoiseModel


def denoise_raw(
    path: str | Path,
    prior: PriorChoice = None,
    *,
    self_ensemble: bool = False,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: ProgressCallback | None = None,
) -> DenoisedRaw:
    """Remove noise from the values of a camera's sensor, and develop the image.

    The noise of a sensor is that of photons and of its read-out, independent in each pixel. Development correlates it.
    It is found in the image (:func:`scorematching.restoration.estimate_photon_noise`). The prior sees red, one of the
    two greens, and blue as an image of half the size, once for each green.

    Args:
        path: Raw file of a camera.
        prior: As in :func:`scorematching.denoise`.
        self_ensemble: As in :func:`scorematching.denoise`.
        seed: As in :func:`scorematching.denoise`.
        device: As in :func:`scorematching.denoise`.
        progress: Called after each step.

    Returns:
        The image and the noise. If no noise is found, it has the level 0, and the image is developed only.

    Raises:
        FileNotFoundError: There is no such file, or no such prior.
        ValueError: The file can't be read, its pixels are not in squares of red, green, green and blue, or it is too
            small for the prior.
    """
    check_arguments(denoise_raw, locals())
    with opened(Path(path)) as file:
        sensor = sensor_of(file)
        if sensor is None:
            raise ValueError(f"{path} has no pixels of red, green and blue in squares: read it, and denoise the image")
        _check_size(Path(path), sensor)
        common: dict[str, Any] = {"data_range": sensor.white, "seed": seed, "device": device}
        noise = noise_of_sensor(sensor, **common)
        if noise == GaussianNoise(0):
            return DenoisedRaw(develop(file), noise)
        once = partial(denoise, noise=noise, prior=loaded(prior), self_ensemble=self_ensemble, **common)
        red, first, second, blue = sensor.planes
        one, other = (
            once(np.stack([red, green, blue], -1), progress=subtask(progress, k, k + 1, parts=2))
            for k, green in enumerate((first, second))
        )
        both = (one + other) / 2
        put_back(np.stack([both[..., 0], one[..., 1], other[..., 1], both[..., 2]]), file)
        return DenoisedRaw(develop(file), noise)


def _check_size(path: Path, sensor: Sensor) -> None:
    """Raise ``ValueError`` if the planes are too small for the prior that finds the noise."""
    smallest, (height, width) = prior_for(sensor.planes[0], None).min_size, sensor.planes.shape[1:]
    if min(height, width) < smallest:
        raise ValueError(
            f"{path} has {2 * width} x {2 * height} pixels, which are too few: {2 * smallest} or more are needed in "
            "width and height, since each color has half of them"
        )


def noise_of_sensor(sensor: Sensor, **options: Any) -> NoiseModel:
    """Return the noise of a sensor, which is the same for all colors, with a grayscale prior.

    Args:
        sensor: Values of the sensor.
        options: As in :func:`scorematching.restoration.estimate_photon_noise`.
    """
    return estimate_photon_noise(np.concatenate(sensor.planes, 1), **options).noise
