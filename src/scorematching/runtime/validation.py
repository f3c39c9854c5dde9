"""Checks of energies, data and weights. Every error names the argument and the fix."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from scorematching.runtime.functional import batched, modules_of
from scorematching.runtime.normalization import ExactNormalization


def check_data(energy: nn.Module, x: Tensor, finite: bool) -> None:
    """Raise ``TypeError`` or ``ValueError`` if ``energy`` is not a module or ``x`` is not valid data for it."""
    if not isinstance(energy, nn.Module):
        raise TypeError(f"energy must be a torch module that returns energies, got {type(energy).__name__}")
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch tensor, got {type(x).__name__}")
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"x must be float32 or float64, got {x.dtype}: convert it with x.float()")
    check_batch(x)
    for path, module in modules_of(energy):
        for name, parameter in module._parameters.items():
            if parameter is not None and (parameter.dtype != x.dtype or parameter.device != x.device):
                raise TypeError(
                    f"x is {x.dtype} on {x.device} and {f'{path}.{name}' if path else name} is {parameter.dtype} on "
                    f"{parameter.device}: convert one of them"
                )
        if isinstance(module, _BatchNorm) and module.training:
            raise ValueError(f"{path} normalizes over the batch, so samples are not independent: call energy.eval()")
        if isinstance(module, _DropoutNd) and module.training and module.p > 0:
            raise ValueError(f"{path} draws random numbers, so the energy is not deterministic: call energy.eval()")
    # A finite sum of squares is a cheap proof that all entries are; it may overflow, so check the entries otherwise.
    if finite and not math.isfinite(torch.linalg.vector_norm(x.detach())):
        check_entries(x)


def check_batch(x: Tensor) -> Tensor:
    """Return data; raise ``ValueError`` unless they have the shape of a batch, (N, ...)."""
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x must be a batch of one sample or more, shape (N, ...), got {tuple(x.shape)}")
    return x


def check_entries(x: Tensor) -> Tensor:
    """Return data; raise ``ValueError`` if an entry is not finite, or so large that its square overflows."""
    if not bool(torch.isfinite(x).all()):
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(
            f"x has {bad} entries that are NaN or infinite, of {x.numel()}; check_finite=False lets them pass, and for "
            "missing values there is sm.marginal_score_matching_loss"
        )
    largest = float(x.detach().abs().max())
    if largest > math.sqrt(torch.finfo(x.dtype).max):
        raise ValueError(f"x has entries up to {largest:.3g}, whose squares overflow in {x.dtype}: scale x")
    return x


def check_uncompiled(energy: nn.Module) -> nn.Module:
    """Return a module that has second derivatives; raise ``TypeError`` for one that ``torch.compile`` returned."""
    if hasattr(energy, "_orig_mod"):
        raise TypeError(
            "torch.compile makes a module without second derivatives: pass the module itself, and compute the loss "
            "inside `with scorematching.compiled():`, which compiles the sweeps of a graph"
        )
    return energy


def energies(energy: nn.Module, x: Tensor, *condition: Tensor) -> Tensor:
    """Return the energies of a batch, shape (N,), from any module that returns shape (N,) or (N, 1).

    Their derivatives by automatic differentiation are right to any order, see :class:`ExactNormalization`.

    Raises:
        ValueError: The data are no batch, or the module returns another shape.
    """
    if x.ndim == 0:
        raise ValueError("x must be a batch, shape (N, ...), got ()")
    with ExactNormalization():
        values = _called(energy, x, *condition)
    if not isinstance(values, Tensor) or values.shape not in ((len(x),), (len(x), 1)):
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        hint = ": a score network is for the denoising loss, with output='score'" if got == tuple(x.shape) else ""
        name = type(energy).__name__
        raise ValueError(f"{name} must return one energy per sample, shape ({len(x)},), got {got}{hint}")
    return values.view(len(x))


def _called(energy: nn.Module, x: Tensor, *condition: Tensor) -> Any:
    """Return what a module returns. Its layers say by ``RuntimeError`` that they take data of another shape."""
    try:
        return energy(x, *condition)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if "shape" not in str(error) and "size" not in str(error):
            raise
        raise ValueError(
            f"{type(energy).__name__} does not take x of shape {tuple(x.shape)}: {' '.join(str(error).split())[:200]}"
        ) from error


def warn_if_infinite(value: Tensor) -> Tensor:
    """Return a loss, with a warning if it is not finite though its data are."""
    if not batched(value) and not bool(torch.isfinite(value.detach()).all()):
        warnings.warn(
            "the loss is not finite: derivatives of the energy overflow at these data, or weight or lam is too large: "
            "scale the data, or pass float64",
            stacklevel=3,
        )
    return value


def check_weight(weight: Tensor, x: Tensor, finite: bool) -> Tensor:
    """Return the weights of the inputs, with the type and device of ``x``; raise if they do not fit.

    Weights of samples, shape (N,), become those of their inputs, unless a sample has the same shape.
    """
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        kind = weight.dtype if isinstance(weight, Tensor) else type(weight).__name__
        raise TypeError(f"weight must be a tensor of floating point, got {kind}")
    if weight.shape == x.shape[:1] == x.shape[1:]:
        raise ValueError(
            f"weight of shape {tuple(weight.shape)} may be of the samples or of their inputs: pass the shape of x, "
            f"{tuple(x.shape)}"
        )
    if weight.shape not in (x.shape, x.shape[1:], x.shape[:1]):
        raise ValueError(
            f"weight must have the shape of x, {tuple(x.shape)}, of one sample, {tuple(x.shape[1:])}, or one value per "
            f"sample, ({len(x)},), got {tuple(weight.shape)}"
        )
    if weight.requires_grad:
        raise ValueError("weight requires a gradient, which the loss does not compute: pass weight.detach()")
    if finite and not bool((torch.isfinite(weight) & (weight >= 0)).all()):
        raise ValueError("weight has entries that are negative, NaN or infinite")
    if weight.shape == x.shape[:1]:
        weight = weight.view(-1, *(1 for _ in x.shape[1:])).expand_as(x)
    return weight.to(x)


def full_precision(x: Tensor) -> torch.autocast:
    """Return a context without autocast: second derivatives in half precision are too inaccurate."""
    return torch.autocast(x.device.type, enabled=False)
