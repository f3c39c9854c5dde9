"""A certificate of a denoised image: what is known about its error, and whether what was removed is noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.images.arrays import to_planes
from scorematching.images.validity import clipped_ends
from scorematching.noise import NoiseModel, as_record
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.removed import MUCH, relative_size, removed_noise
from scorematching.restoration.structure import Structure

#: Step of the finite difference along a random direction, as a fraction of the noise level.
_STEP = 0.03
#: Side of the squares over which the error is averaged.
_SIDE = 16
#: Differences from what is expected from which on there is advice: of the correlation of neighbors, and of the rank
#: correlations with brightness and edges, which must also exceed chance by a number of standard deviations.
_NEIGHBORS, _RANKS, _SURE = 0.1, 0.3, 3.0


@dataclass(frozen=True)
class Certificate:
    """What the noisy image tells about the error of its denoised version.

    Attributes:
        noise: Noise model, in the units of the image.
        removed: Standard deviation of what was removed, relative to the noise. It is a little below 1.
        structure: Correlations of what was removed.
        expected: The same for simulated noise of the model, added to the result and removed again.
        psnr: Expected PSNR in dB, by Stein's unbiased risk estimate. It is ``None`` if the estimated error is not above
            its standard error, as for a model of more noise than there is, or if too few pixels can be used.
        psnr_error: Standard error of ``psnr`` in dB; ``None`` as well.
    """

    noise: NoiseModel
    removed: float
    structure: Structure
    expected: Structure
    psnr: float | None
    psnr_error: float | None

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, in words; empty if nothing is off."""
        found = []
        if self.psnr is None:
            found.append(
                "the quality is unknown: the noise may be weaker than the model says, or too few pixels can be used"
            )
        if self.removed > MUCH:
            found.append("more was removed than the noise explains: the noise model may be wrong, try less noise")
        if self.structure.neighbors > self.expected.neighbors + _NEIGHBORS:
            found.append(
                "neighboring pixels of what was removed are more alike than the model expects: image structure was "
                "removed (try less noise), or the noise is more correlated"
            )
        far = max(_RANKS, _SURE * self.structure.scatter)
        if abs(self.structure.brightness - self.expected.brightness) > far:
            found.append(
                "the noise changes with brightness: if it is that of photons, describe it with gain and offset "
                "(--gain, --offset)"
            )
        if self.structure.edges > self.expected.edges + far:
            found.append("more was removed at edges: image structure was removed, try less noise or another prior")
        return tuple(found)

    def as_record(self) -> dict[str, Any]:
        """Return the certificate as a dictionary of numbers, strings and lists, which JSON can store."""
        return {
            **asdict(replace(self, noise=None)),  # type: ignore[arg-type]
            "noise": as_record(self.noise),
            "noise_in_words": str(self.noise),
            "advice": list(self.advice),
        }


def certify(
    noisy: np.ndarray,
    clean: np.ndarray,
    noise: NoiseModel,
    denoiser: Callable[[np.ndarray], np.ndarray],
    data_range: float | None = None,
    seed: int = 0,
) -> Certificate:
    """Check a denoised image against the noise model, without the true image.

    Stein's unbiased risk estimate of the squared error, for noise of covariance ``Sigma`` and a denoiser with Jacobian
    ``J``, is ``|y - x|^2 - tr Sigma + 2 tr(J Sigma)``. The last term is estimated with one random direction, by
    denoising once more.

    What was removed has some structure even if the model is right, because a denoiser leaves more of the noise in some
    frequencies and places. The structure that is expected is that of simulated noise, which is added to the result and
    removed again.

    Args:
        noisy: Noisy image ``y``, as in :func:`scorematching.images.to_planes`.
        clean: Denoised image ``x``, of the same shape.
        noise: Noise model, in the units of the image.
        denoiser: Function that denoises an image in floating point, with the noise and the prior that gave ``clean``.
        data_range: Value of white in the image.
        seed: Seed of the random direction and of the simulated noise.

    Raises:
        TypeError: The type of the image is not supported.
        ValueError: The shape of the image is not supported or does not fit the noise.

    Example:
        >>> from scorematching.noise import GaussianNoise
        >>> noise = GaussianNoise(10.0)
        >>> noisy = noise.simulate(np.full((64, 64), 128.0))
        >>> found = certify(noisy, np.full((64, 64), 128.0), noise, lambda y: np.full(y.shape, 128.0), 255)
        >>> 0.9 < found.removed < 1.1, abs(found.structure.neighbors) < 0.1
        (True, True)
    """
    planes, known = fill_missing(noisy, data_range)
    y, x = planes.data.double(), fill_missing(clean, planes.data_range).planes.data.double()
    residual, counted = removed_noise(planes, x, noise, known)
    covariance = noise.covariance(x, planes.data_range)
    count = 1 if bool((y == y[:1]).all()) else len(y)  # grayscale stored as color stays so
    signs = (torch.randint(2, y[:count].shape, generator=torch.Generator().manual_seed(seed)) * 2.0 - 1).expand_as(y)
    direction = covariance.apply(signs.double())
    step = _STEP * covariance.level / float(direction.square().mean().sqrt().clamp_min(1e-30))
    ahead = denoiser(_as_image(planes.data_range * (y + step * direction), noisy))
    change = (to_planes(ahead, planes.data_range).data.double() - x) / step
    pixels = planes.data_range * np.moveaxis(x[:, 0].numpy(), 0, 2)
    variance = torch.from_numpy(np.moveaxis(noise.variance(pixels), 2, 0).copy())[:, None]
    risk = (y - x).square() - variance / planes.data_range**2 + 2 * signs * change
    psnr, psnr_error = _decibels(risk[..., counted], risk, counted)
    simulated = _simulated(noise, x[:count], planes.data_range, seed).expand_as(x)
    for end, sign in clipped_ends(planes.data):
        simulated = torch.where(sign * (simulated - end) < 0, end, simulated)
    again = replace(planes, data=simulated)
    cleaned = to_planes(denoiser(_as_image(planes.data_range * again.data, noisy)), planes.data_range).data.double()
    return Certificate(
        noise,
        relative_size(residual, counted),
        Structure.of(residual, x, counted),
        Structure.of(removed_noise(again, cleaned, noise, known)[0], cleaned, counted),
        psnr,
        psnr_error,
    )


def _simulated(noise: NoiseModel, x: Tensor, data_range: float, seed: int) -> Tensor:
    """Return planes with noise of the model, double precision."""
    noisy = noise.simulate(data_range * np.moveaxis(x[:, 0].numpy(), 0, 2), seed) / data_range
    return torch.from_numpy(np.moveaxis(noisy, 2, 0).astype(np.float64))[:, None]


def _as_image(planes: Tensor, like: np.ndarray) -> np.ndarray:
    """Return planes as an image in floating point, (H, W) or (H, W, C), without alpha."""
    image = np.moveaxis(planes[:, 0].numpy(), 0, 2).astype(np.float32)
    return image[..., 0] if like.ndim == 2 or image.shape[2] == 1 else image


def _decibels(risk: Tensor, whole: Tensor, counted: Tensor) -> tuple[float, float] | tuple[None, None]:
    """Return the PSNR of a mean squared error, and its standard error from the scatter of squares of the image."""
    mean = float(risk.mean())
    excess = ((whole.mean(0, keepdim=True) - mean) * counted, counted[None, None].double())
    sums, share = (F.avg_pool2d(of, _SIDE, ceil_mode=True).flatten() for of in excess)
    count = float(share.mean()) * math.sqrt(len(share))
    error = float(sums.std()) / count if len(sums) > 1 and count else math.inf
    if not mean > max(error, 1e-12):  # also if no pixel counts
        return None, None
    return -10 * math.log10(mean), 10 / math.log(10) * error / mean
