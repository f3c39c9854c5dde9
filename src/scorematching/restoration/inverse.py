"""Restoration of images from any linear observation."""

from __future__ import annotations

import warnings
from typing import Literal, get_args

import numpy as np
import torch

from scorematching.images.arrays import find_own_white, from_planes, to_planes
from scorematching.noise import NoiseModel, white_level
from scorematching.priors.base import Prior
from scorematching.priors.devices import move
from scorematching.restoration.annealing import LEVELS, annealed
from scorematching.restoration.choice import PriorChoice, prior_for
from scorematching.restoration.color import distinct
from scorematching.restoration.convergence import Watch
from scorematching.restoration.map_estimate import ITERATIONS, maximum_a_posteriori
from scorematching.restoration.neighbors import check_alone
from scorematching.restoration.operators import LinearOperator, Mask, check_adjoint
from scorematching.runtime.arguments import check_choice, check_count
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import ProgressCallback

RestorationMethod = Literal["auto", "map", "annealed"]
#: Largest misfit without a warning, relative to the misfit of noise. A good result has 1.
_LARGEST_MISFIT = 3.0


def restore(
    image: np.ndarray,
    operator: LinearOperator,
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
    """Restore an image from a linear observation ``y = A x + noise``: find a probable image ``x`` that explains ``y``.

    The method ``"map"`` minimizes ``|A x - y|^2 / (2 sigma^2) + E(x)`` by L-BFGS. The energy is not convex, and an
    energy of noisy images may not be bounded below. So the result is a local minimum near the first guess of the
    operator, and it is never less probable than that guess.

    The method ``"annealed"``, for priors of many noise levels, repeats three operations with less noise each time: add
    noise, apply Tweedie's formula, apply the data term. If the result is less probable than the first guess, the guess
    is returned.

    A warning is given if the result does not explain ``y``.

    Args:
        image: ``y``, shape (H, W) or (H, W, C), integers or floating point. An alpha channel is not restored.
        operator: ``A``, which acts on each channel: :class:`Mask` for holes, :class:`Blur`,
            :class:`BicubicDownsampling`, or your own. Its adjoint is checked first.
        prior: As in :func:`scorematching.denoise`.
        noise: White Gaussian noise in ``y``, in the units of the image: a standard deviation or a
            :class:`scorematching.GaussianNoise`. By default it is 1/255 of white, and the known pixels of a
            :class:`Mask` are not changed.
        method: ``"map"``, ``"annealed"``, or ``"auto"`` for the one that suits the prior.
        steps: Maximum number of iterations of MAP (default 30), or number of noise levels of annealing (default 20).
        data_range: Value of white in the image, as in :func:`scorematching.images.to_planes`.
        seed: Seed of the noise of annealing.
        device: Device to compute on; the prior is moved there. By default the device of the prior.
        progress: Called after each iteration with the figures ``misfit`` and ``change``.

    Returns:
        ``x``, with the type and range of ``image``.

    Raises:
        FileNotFoundError: There is no such prior.
        TypeError: The type of the image is not supported, or ``noise`` or ``prior`` is of the wrong type.
        ValueError: The shape of the image is not supported or does not fit the operator, a value is not finite, an
            option is out of its range, or the adjoint does not match the operator.

    Example:
        >>> import scorematching as sm
        >>> prior = sm.priors.FieldPrior(sm.FieldConfig(filters=8, size=3), noise=0.1)
        >>> holes = sm.restoration.Mask(torch.rand(20, 30) > 0.3)
        >>> sm.restore(np.zeros((20, 30), np.uint8), holes, prior, steps=2).shape
        (20, 30)
    """
    steps = None if steps is None else check_count("steps", steps)
    check_arguments(restore, locals())
    prior = prior_for(image, prior)
    check_alone(prior, "holes, blur and enlargements")
    chosen = _chosen(method, prior)
    planes = to_planes(image, find_own_white(image, data_range))
    level = 1 / 255 if noise is None else white_level(noise, planes.data_range)
    y = move(distinct(planes.data, prior), prior, device)
    start = operator.start(y)
    check_adjoint(operator, (start.shape[2], start.shape[3]), device=y.device)
    if operator(start[:1]).shape != y[:1].shape:
        raise ValueError(f"the operator gives {tuple(operator(start[:1]).shape[2:])}, the image is {image.shape[:2]}")
    prior.check_size(*start.shape[2:])
    prior.check_colors(start)
    if chosen == "annealed":
        generator = torch.Generator().manual_seed(seed)
        x = annealed(y, operator, level, prior, start, steps or LEVELS, generator, progress)
    else:
        x = maximum_a_posteriori(y, operator, level, prior, start, steps or ITERATIONS, progress)
    _warn_if_unexplained(Watch(y, operator, level, None).misfit(x), level * planes.data_range)
    if noise is None and isinstance(operator, Mask):
        x = torch.where(operator.known.to(y.device), y, x)
    return from_planes(planes, x.expand(len(planes.data), -1, -1, -1))


def _warn_if_unexplained(misfit: float, sigma: float) -> None:
    if misfit > _LARGEST_MISFIT:
        warnings.warn(
            f"the result does not explain the image: its misfit is {misfit:.3g} times that of noise of level "
            f"{sigma:.3g}. Check the operator, pass a higher noise level (noise, --sigma), or take more steps",
            stacklevel=3,
        )


def _chosen(method: RestorationMethod, prior: Prior) -> Literal["map", "annealed"]:
    """Return the method to use.

    Raises:
        ValueError: The method is unknown, or does not suit the prior.
    """
    check_choice("method", method, get_args(RestorationMethod))
    wide = prior.noise is not None and prior.noise.is_wide
    if method == "annealed" and not wide:
        levels = "clean images" if prior.noise is None else f"levels {prior.noise.range}"
        raise ValueError(f"annealing needs a prior of many noise levels, this one is for {levels}: use 'map'")
    if method == "auto":
        return "annealed" if wide else "map"
    return method
