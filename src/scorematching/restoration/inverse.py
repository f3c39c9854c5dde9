"""Restoration from any linear observation."""

from __future__ import annotations

import warnings
from typing import Literal, get_args

import numpy as np
import torch

from scorematching.images import from_planes, to_planes
from scorematching.priors.base import Prior, place
from scorematching.restoration.annealing import LEVELS, annealed, knows_levels
from scorematching.restoration.color import distinct
from scorematching.restoration.convergence import Convergence, Monitor, Watch
from scorematching.restoration.map_estimate import ITERATIONS, maximum_a_posteriori
from scorematching.restoration.operators import LinearOperator, Mask, check_adjoint
from scorematching.runtime.arguments import check_choice, check_positive
from scorematching.runtime.progress import Step

RestorationMethod = Literal["auto", "map", "annealed"]
#: How many times what noise leaves a result may leave of the image. Good ones leave no more than noise does.
_MOST_LEFT = 3.0


def restore(
    image: np.ndarray,
    operator: LinearOperator,
    prior: Prior,
    *,
    sigma: float | None = None,
    method: RestorationMethod = "auto",
    steps: int | None = None,
    seed: int = 0,
    data_range: float | None = None,
    device: str | torch.device | None = None,
    progress: Step | None = None,
    monitor: Monitor | None = None,
) -> np.ndarray:
    """The image behind a linear observation: one that is probable and explains it.

    By ``"map"`` ``|A x - y|^2 / (2 sigma^2) + E(x)`` is lowered by L-BFGS. The energy is not convex, and that of noisy
    images not always bounded below: what is found is the minimum whose basin the operator's first guess lies in, and
    it is never less probable than that guess. By ``"annealed"``, which takes a prior of many noise levels, noise is
    added, taken away by Tweedie's formula, and the observation has its say, in turn and less each time; were that less
    probable than the guess, the guess would be given. A result that does not explain the image, as by a blur that it
    never had, comes with a warning.

    Args:
        image: ``y``, shape (H, W) or (H, W, C); uint8, uint16 or floating point. An alpha channel is not restored.
        operator: ``A``, which acts on each channel: :class:`Mask` (holes), :class:`Blur`,
            :class:`BicubicDownsampling`, or your own. Its adjoint is checked first.
        prior: What images look like.
        sigma: Standard deviation of the noise in ``y``, in its own units; 1/255 of white if not given, and then what
            a :class:`Mask` says is known stays as it is.
        method: ``"map"``, ``"annealed"``, or ``"auto"`` for what suits the prior.
        steps: Iterations of MAP at most, 30 by default, it stops where nothing changes any more; or noise levels, 20.
        seed: Of the noise of annealing.
        data_range: The image's value of white, as in :func:`scorematching.images.to_planes`.
        device: Where to compute; by default where the prior is. The prior is moved there.
        progress: Called with the iterations done and ``steps``.
        monitor: Told how far it has come (:class:`scorematching.restoration.Convergence`), after each iteration.

    Returns:
        ``x``, with the type and range of ``image``.

    Raises:
        TypeError: The image is not an array of a known type.
        ValueError: Its shape is unknown or does not fit, a value is not finite, an option is out of its range, or the
            adjoint is not that of the operator.

    Example:
        >>> import scorematching as sm
        >>> info = sm.priors.PriorInfo("foe", 3, 8, unit=0.1, sigma=0.1, lam=0, seed=0, steps=0, data="", version="")
        >>> prior = sm.priors.kinds.build_prior(info)
        >>> holes = sm.restoration.Mask(torch.rand(20, 30) > 0.3)
        >>> sm.restore(np.zeros((20, 30), np.uint8), holes, prior, steps=2).shape
        (20, 30)
    """
    if steps is not None and (steps < 1 or steps != int(steps)):
        raise ValueError(f"steps must be 1 or more, a whole number, got {steps}")
    chosen = _chosen(method, prior)
    planes = to_planes(image, data_range)
    level = 1 / 255 if sigma is None else check_positive("sigma", sigma) / planes.data_range
    y = place(distinct(planes.data), prior, device)
    start = operator.start(y)
    check_adjoint(operator, (start.shape[2], start.shape[3]), device=y.device)
    if operator(start[:1]).shape != y[:1].shape:
        raise ValueError(f"the operator gives {tuple(operator(start[:1]).shape[2:])}, the image is {image.shape[:2]}")

    def told(state: Convergence) -> None:
        if progress is not None:
            progress(state.step, state.steps)
        if monitor is not None:
            monitor(state)

    watched = None if progress is None and monitor is None else told
    if chosen == "annealed":
        generator = torch.Generator().manual_seed(seed)
        x = annealed(y, operator, level, prior, start, int(steps or LEVELS), generator, watched)
    else:
        x = maximum_a_posteriori(y, operator, level, prior, start, int(steps or ITERATIONS), watched)
    _warn_where_unexplained(Watch(y, operator, level, None).misfit(x), level * planes.data_range)
    if sigma is None and isinstance(operator, Mask):
        x = torch.where(operator.known.to(y.device), y, x)
    return from_planes(planes, x.expand(len(planes.data), -1, -1, -1))


def _warn_where_unexplained(misfit: float, sigma: float) -> None:
    if misfit > _MOST_LEFT:
        warnings.warn(
            f"the result does not explain the image: {misfit:.3g} times what noise of sigma {sigma:.3g} leaves "
            "is left; was it observed like this, is there more noise (sigma), or were there too few steps?",
            stacklevel=3,
        )


def _chosen(method: RestorationMethod, prior: Prior) -> Literal["map", "annealed"]:
    """The method that is meant.

    Raises:
        ValueError: It is unknown, or does not suit the prior.
    """
    check_choice("method", method, get_args(RestorationMethod))
    if method == "annealed" and not knows_levels(prior):
        raise ValueError(f"annealing takes a prior of many noise levels, not of {prior.info.levels}: take 'map'")
    if method == "auto":
        return "annealed" if knows_levels(prior) else "map"
    return method
