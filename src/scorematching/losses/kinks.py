"""Warning for energies that are piecewise linear: all their curvature is at kinks, where no sample falls."""

from __future__ import annotations

import warnings
from weakref import WeakSet

import torch
from torch import Tensor, nn

from scorematching.runtime.functional import batched

#: Modules with kinks. A smooth operation after them may help, but only if it smooths the kinks.
KINKED = (
    nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU, nn.PReLU, nn.ReLU, nn.RReLU, nn.SELU,
    nn.Softshrink, nn.Threshold, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d,
)  # fmt: skip

_looked_at: WeakSet[nn.Module] = WeakSet()


class KinkWarning(UserWarning):
    """An energy is piecewise linear, so the loss lacks its curvature."""


@torch.no_grad()
def warn_of_kinks(energy: nn.Module, d: Tensor, d2: Tensor) -> None:
    """Warn, once for an energy, if it has modules with kinks, or no curvature at all although it is not affine.

    Args:
        energy: A module whose operations are not known.
        d: Its gradient at data, shape (N, ...).
        d2: The diagonal of its Hessian.

    Warns:
        KinkWarning: It has kinks.

    Example:
        >>> warn_of_kinks(nn.Sequential(nn.Linear(2, 1), nn.Softplus()), torch.ones(3, 2), torch.ones(3, 2))
    """
    if energy in _looked_at or batched(d):
        return
    _looked_at.add(energy)
    found = next((type(module).__name__ for module in energy.modules() if isinstance(module, KINKED)), "")
    if not found and bool((d2 == 0).all()) and bool((d != d[:1]).any()):
        found = "an energy whose second derivatives are all 0"
    if found:
        warnings.warn(
            f"{found}: all curvature of a piecewise linear function is at its kinks, where no sample falls, so the "
            "loss can't measure it, and its minimum is not the distribution of the data. Use Softplus or SiLU, or "
            "denoising score matching",
            KinkWarning,
            stacklevel=3,
        )
