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

#: Largest relative deviation that counts as rounding, and number of inputs of which a gradient may be affine.
_ROUNDING, _INPUTS = 1e-4, 256

_looked_at: WeakSet[nn.Module] = WeakSet()


class KinkWarning(UserWarning):
    """An energy is piecewise linear, so the loss lacks its curvature."""


@torch.no_grad()
def warn_of_kinks(energy: nn.Module, x: Tensor, d: Tensor, d2: Tensor) -> None:
    """Warn, once for an energy, if it has modules with kinks, or a constant curvature although it is not quadratic.

    Args:
        energy: A module whose operations are not known.
        x: Data, shape (N, ...).
        d: Its gradient at the data.
        d2: The diagonal of its Hessian.

    Warns:
        KinkWarning: It has kinks.

    Example:
        >>> x = torch.randn(9, 2)
        >>> warn_of_kinks(nn.Identity(), x, x, torch.ones(9, 2))
    """
    if energy in _looked_at or batched(d):
        return
    _looked_at.add(energy)
    found = next((type(module).__name__ for module in energy.modules() if isinstance(module, KINKED)), "")
    if not found and bool((d2 - d2[:1]).abs().max() <= _ROUNDING * d2.abs().max()) and not _is_affine(x, d):
        found = "an energy with a changing slope and the same second derivatives everywhere"
    if found:
        warnings.warn(
            f"{found}: all curvature of a piecewise linear function is at its kinks, where no sample falls, so the "
            "loss can't measure it, and its minimum is not the distribution of the data. Use Softplus or SiLU, or "
            "denoising score matching",
            KinkWarning,
            stacklevel=3,
        )


def _is_affine(x: Tensor, d: Tensor) -> bool:
    """Return True if gradients are an affine function of the data, or there are too few samples to tell."""
    rows, slopes = x.flatten(1), d.flatten(1)
    if bool((slopes == slopes[:1]).all()):
        return True
    if rows.shape[1] > _INPUTS or len(rows) < 2 * rows.shape[1] + 2:
        return True
    inputs = torch.cat([torch.ones_like(rows[:, :1]), rows], 1).double()
    fitted = inputs @ torch.linalg.lstsq(inputs, slopes.double()).solution
    return bool((fitted - slopes).abs().max() <= _ROUNDING * slopes.abs().max())
