"""Color images: by priors of colors, or of gray images by luminance and color differences."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from scorematching.images.arrays import to_planes
from scorematching.priors.base import Prior
from scorematching.priors.tweedie import tweedie
from scorematching.runtime.progress import ProgressCallback, subtask

#: Of an orthonormal basis of colors the first is gray: white has the value sqrt(3) there.
_WHITE = math.sqrt(3)
_BASIS = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))


def opponent(planes: Tensor, back: bool = False) -> Tensor:
    """Red, green and blue as luminance and two color differences, or back: an orthonormal map of (3, 1, H, W).

    White noise keeps its level. Luminance is the sum over the root of 3, so that it has more contrast to the noise than
    any channel; the differences have hardly a detail.

    Example:
        >>> planes = torch.rand(3, 1, 4, 5)
        >>> torch.allclose(opponent(opponent(planes), back=True), planes, atol=1e-6)
        True
    """
    basis = torch.tensor(_BASIS, dtype=planes.dtype, device=planes.device)
    basis = basis / basis.norm(dim=1, keepdim=True)
    return torch.tensordot(basis.T if back else basis, planes, dims=1)


def distinct(planes: Tensor) -> Tensor:
    """One plane of an image whose planes are all equal, as of gray that is stored as color; else all of them."""
    return planes[:1] if bool((planes == planes[:1]).all()) else planes


def is_colored(image: np.ndarray) -> bool:
    """Whether an image has red, green and blue, and they are not the same.

    Example:
        >>> is_colored(np.zeros((4, 5, 3))), is_colored(np.eye(3)[None])
        (False, True)
    """
    return len(distinct(to_planes(image).data)) > 1


def posterior_mean(y: Tensor, sigma: float, prior: Prior, progress: ProgressCallback | None = None) -> Tensor:
    """Tweedie's formula for the planes of one image, (C, 1, H, W), colors together.

    A prior of gray images sees luminance and color differences, whose noise is as white and of the same level: the
    differences are images of little contrast.
    """
    if prior.config.colors > 1 or len(y) != 3:
        return prior.arrange(tweedie(prior.arrange(y), sigma, prior, progress))
    mixed = opponent(y)
    luminance = _WHITE * tweedie(mixed[:1] / _WHITE, sigma / _WHITE, prior, subtask(progress, 0, 1, parts=3))
    differences = tweedie(mixed[1:], sigma, prior, subtask(progress, 1, 3, parts=3))
    return opponent(torch.cat([luminance, differences]), back=True)
