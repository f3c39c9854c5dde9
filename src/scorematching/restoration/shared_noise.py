"""Noise that the colors of an image share: the luminance noise of JPEG files."""

from __future__ import annotations

import torch
from torch import Tensor

from scorematching.priors.devices import move
from scorematching.restoration.choice import prior_for_planes
from scorematching.restoration.octaves import kurtosis_of_removed, noise_by_octaves

#: Ratio of the noise of the mean of the colors that a grayscale prior finds, and of that which a color prior finds,
#: from which on the colors share noise. It is about 1 for white noise, and 1.2 to 3 for JPEG files.
_SHARED = 1.15
#: Largest ratio of its second octave and its first. It is 1.1 to 1.4 for JPEG files, and 1.6 or more for most texture.
_FLAT = 1.5
#: Kurtosis of what the grayscale prior removes, from which on it is texture. It is 3.1 to 3.9 for JPEG files.
_TEXTURE = 4.0
#: Minimum side of an image in pixels; in smaller ones, texture can't be told from noise.
_SMALLEST = 128


def with_shared_noise(octaves: list[Tensor], y: Tensor, noisy: Tensor, seed: int) -> list[Tensor]:
    """Add the noise that the colors share to the covariance of the colors in each octave.

    A color prior takes noise that is equal in all colors for structure of the image. JPEG files have such noise: they
    store the luminance at full resolution, and the color differences at half of it. The mean of the colors is a
    grayscale image, and a grayscale prior finds its noise. If this is more than the color prior finds, the difference
    is added to all entries of the covariances. Nothing is added if the second octave is much stronger than the first,
    or if what the prior removes does not look Gaussian: both are signs of texture.

    Args:
        octaves: Covariances of the colors in each octave, (3, 3), found by a color prior.
        y: Planes of one color image, (3, 1, H, W), with white at 1.
        noisy: Pixels that can be noisy, shape (H, W).
        seed: Seed of the random draws.
    """
    if min(y.shape[2:]) < _SMALLEST:
        return octaves
    mean = y.mean(0, keepdim=True)
    gray = prior_for_planes(mean, None)
    mean = move(mean, gray, y.device)
    found = noise_by_octaves(mean, noisy, gray, torch.Generator().manual_seed(seed))
    if len(found) < 2 or len(found) != len(octaves):
        return octaves
    shared = float(found[0]) > _SHARED**2 * float(octaves[0].mean())
    if not shared or float(found[1]) > _FLAT**2 * float(found[0]) or kurtosis_of_removed(mean, noisy, gray) > _TEXTURE:
        return octaves
    return [octave + (one - octave.mean()).clamp_min(0) for octave, one in zip(octaves, found, strict=True)]
