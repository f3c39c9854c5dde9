"""Color images for priors: colors together for color priors, luminance and color differences for grayscale priors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.priors.posterior import tweedie
from scorematching.restoration.in_metric import is_in_metric
from scorematching.runtime.progress import ProgressCallback, subtask

#: Value of white in the first opponent color, the luminance.
_WHITE = math.sqrt(3)
#: Directions of the opponent colors in red, green and blue, before normalization.
_BASIS = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))


def opponent(planes: Tensor, back: bool = False) -> Tensor:
    """Transform red, green and blue to luminance and two color differences, or back.

    The map is orthonormal, so white noise stays white and keeps its level. Luminance is the sum of the channels
    divided by the root of 3. It has a higher contrast-to-noise ratio than each channel. The differences contain few
    details.

    Args:
        planes: Shape (3, 1, H, W).
        back: Whether to apply the inverse.

    Example:
        >>> planes = torch.rand(3, 1, 4, 5)
        >>> torch.allclose(opponent(opponent(planes), back=True), planes, atol=1e-6)
        True
    """
    basis = _basis(planes)
    return torch.tensordot(basis.T if back else basis, planes, dims=1)


def variance_of_colors(planes: Tensor) -> Tensor:
    """Return the variances of red, green and blue, given those of independent luminance and color differences.

    Args:
        planes: Shape (3, 1, H, W).

    Example:
        >>> found = variance_of_colors(torch.tensor([3.0, 0.0, 0.0]).view(3, 1, 1, 1))
        >>> torch.allclose(found, torch.ones(3, 1, 1, 1))
        True
    """
    return torch.tensordot(_basis(planes).T.square(), planes, dims=1)


def _basis(planes: Tensor) -> Tensor:
    """Return the orthonormal directions of the opponent colors as rows."""
    basis = torch.tensor(_BASIS, dtype=planes.dtype, device=planes.device)
    return basis / basis.norm(dim=1, keepdim=True)


def distinct(planes: Tensor, prior: Prior | None = None) -> Tensor:
    """Return the first plane if all planes are equal, as in grayscale stored as color; otherwise all planes.

    A prior that sees several colors together gets all planes.
    """
    together = prior is not None and prior.config.colors == len(planes)
    return planes[:1] if not together and bool((planes == planes[:1]).all()) else planes


def is_mixed(planes: Tensor, prior: Prior) -> bool:
    """Return True if a prior sees the opponent colors of planes, (C, 1, H, W), instead of the channels.

    Opponent colors have white noise of the same level, if that of the channels is white. Correlated noise of the
    channels differs from that of the opponent colors, so a prior of correlated noise sees the channels it was trained
    on.
    """
    return prior.config.colors == 1 and len(planes) == 3 * prior.images and not is_in_metric(prior)


def posterior_mean(
    y: Tensor, sigma: float, prior: Prior, progress: ProgressCallback | None = None, at: tuple[int, int] = (0, 0)
) -> Tensor:
    """Apply Tweedie's formula to the planes of one image, (C, 1, H, W), or of an image and its neighbors.

    A color prior sees the colors together. A grayscale prior sees the opponent colors of :func:`opponent` one by one,
    or the channels themselves if it is for correlated noise (:func:`is_mixed`). The planes may be a tile that starts at
    a row and a column of a larger image.
    """
    if not is_mixed(y, prior):
        return prior.separate(tweedie(prior.arrange(y), sigma, prior, progress, at))
    mixed = prior.arrange(torch.cat([opponent(image) for image in y.split(3)]))
    luminance = _WHITE * tweedie(mixed[:1] / _WHITE, sigma / _WHITE, prior, subtask(progress, 0, 1, parts=3), at)
    differences = tweedie(mixed[1:], sigma, prior, subtask(progress, 1, 3, parts=3), at)
    x = prior.separate(torch.cat([luminance, differences]))
    return torch.cat([opponent(image, back=True) for image in x.split(3)])
