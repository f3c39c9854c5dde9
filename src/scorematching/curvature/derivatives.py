"""Score of an energy, and diagonal of its Hessian."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scorematching.curvature import Choice, differentiable_gradient, method_named
from scorematching.runtime.compiling import run
from scorematching.runtime.functional import batched
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.validation import check_data, full_precision


def score(energy: nn.Module, x: Tensor, check_finite: bool = True) -> Tensor:
    """Return the score ``grad_x log p(x) = -delta``, with the shape of ``x``.

    The result is differentiable with respect to ``x`` and the parameters, any number of times. Use ``torch.no_grad()``
    if no gradient is needed: that takes less memory.

    Args:
        energy: The model: any module that returns energies.
        x: Data, shape (N, ...).
        check_finite: Whether to check ``x`` for NaN and infinity first.

    Raises:
        TypeError: ``energy`` is not a module, or ``x`` is not of floating point.
        ValueError: A shape does not fit, or ``x`` is not finite.

    Example:
        >>> import scorematching as sm
        >>> gaussian = sm.Sequential(sm.layers.Square(), sm.Sum())
        >>> score(gaussian, torch.ones(1, 3)).tolist()
        [[-2.0, -2.0, -2.0]]
    """
    check_arguments(score, locals())
    check_data(energy, x, check_finite and not batched(x))
    with full_precision(x):
        if torch.is_grad_enabled():
            return -differentiable_gradient(energy, x)
        return -run(differentiable_gradient, energy, x)


def hessian_diagonal(energy: nn.Module, x: Tensor, curvature: Choice = "auto", check_finite: bool = True) -> Tensor:
    """Return ``delta'``, the diagonal of the Hessian of the energy with respect to the data, with the shape of ``x``.

    The result is differentiable with respect to ``x`` and the parameters, any number of times. Use ``torch.no_grad()``
    if no gradient is needed: that takes less memory.

    Args:
        energy: The model.
        x: Data, shape (N, ...).
        curvature: Curvature method, as in :func:`score_matching_loss`.
        check_finite: Whether to check ``x`` for NaN and infinity first.

    Raises:
        TypeError: The method does not support this kind of energy, or ``x`` is not of floating point.
        ValueError: A shape does not fit, ``x`` is not finite, ``curvature`` is unknown, or no exact method is
            affordable for ``"auto"``.

    Example:
        >>> import scorematching as sm
        >>> gaussian = sm.Sequential(sm.layers.Square(), sm.Sum())
        >>> hessian_diagonal(gaussian, torch.ones(1, 3)).tolist()
        [[2.0, 2.0, 2.0]]
    """
    check_arguments(hessian_diagonal, locals())
    check_data(energy, x, check_finite and not batched(x))
    with full_precision(x):
        return method_named(curvature, energy, x).derivatives(energy, x).d2
