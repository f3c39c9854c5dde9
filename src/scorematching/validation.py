"""What the public functions ask of an energy, of data and of options; every error names the thing and the fix."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.parametrize import is_parametrized

from scorematching.functional import modules_of
from scorematching.graph import Graph


def check_data(energy: nn.Module, x: Tensor, finite: bool) -> None:
    """Raise ``TypeError`` or ``ValueError`` where ``energy`` is no module or ``x`` is no data for it."""
    if not isinstance(energy, nn.Module):
        raise TypeError(f"energy must be a torch module that returns energies, got {type(energy).__name__}")
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch tensor, got {type(x).__name__}")
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"x must be float32 or float64, got {x.dtype}: convert it with x.float()")
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x must be a batch of one sample or more, shape (N, ...), got {tuple(x.shape)}")
    for path, module in modules_of(energy):
        for name, parameter in module._parameters.items():
            if parameter is not None and (parameter.dtype != x.dtype or parameter.device != x.device):
                raise TypeError(
                    f"x is {x.dtype} on {x.device} and {f'{path}.{name}' if path else name} is {parameter.dtype} on "
                    f"{parameter.device}: convert one"
                )
        if isinstance(module, _BatchNorm) and module.training:
            raise ValueError(f"{path} normalises over the batch, so samples are not independent: call energy.eval()")
        if isinstance(module, _DropoutNd) and module.training and module.p > 0:
            raise ValueError(f"{path} draws random numbers, so the energy is no function: call energy.eval()")
    # One sum is cheap, and tells unless it overflows.
    if finite and not math.isfinite(x.detach().sum()) and not bool(torch.isfinite(x).all()):
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(
            f"x has {bad} entries that are NaN or infinite, of {x.numel()}; check_finite=False lets them pass"
        )


def check_graph(energy: nn.Module, what: str) -> Graph:
    """The energy, if it is a graph that the sweeps can walk; otherwise raise ``TypeError``."""
    if not isinstance(energy, Graph):
        raise TypeError(
            f"{what} needs a scorematching Graph or Sequential, got {type(energy).__name__} of "
            f"{type(energy).__module__.partition('.')[0]}: from_torch makes one of most modules"
        )
    if any(is_parametrized(layer) for _, layer in modules_of(energy)):
        raise TypeError("the sweeps can't see through torch.nn.utils.parametrize: remove the parametrization")
    return energy


def energies(energy: nn.Module, x: Tensor) -> Tensor:
    """The energies of a batch, shape (N,), by any module that gives (N,) or (N, 1)."""
    values = energy(x)
    if not isinstance(values, Tensor) or values.shape not in ((len(x),), (len(x), 1)):
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"{type(energy).__name__} must return one energy a sample, shape ({len(x)},), got {got}")
    return values.view(len(x))


def check_positive(name: str, value: Any, zero: bool = False) -> float:
    """The value as a float, if it is a finite number above 0 (or 0 where ``zero``); otherwise raise ``ValueError``."""
    number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name} must be a number {'of 0 or more' if zero else 'above 0'}, got {value!r}")
    return float(value)


def check_count(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """The value as an int, if it is a whole number from ``least`` to ``most``; otherwise raise ``ValueError``."""
    try:
        count = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = None
    if count is None or count < least or (most is not None and count > most):
        limit = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} must be a whole number of {limit}, got {value!r}")
    return count


def check_flag(name: str, value: Any) -> None:
    """Raise ``ValueError`` unless the value is ``True`` or ``False``."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {value!r}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless the value is one of the choices."""
    if value not in choices:
        listed = ", ".join(map(repr, choices[:-1])) + f" or {choices[-1]!r}"
        raise ValueError(f"{name} must be {listed}, got {value!r}")


def check_weight(weight: Tensor, x: Tensor, finite: bool) -> Tensor:
    """Weights of the inputs, with the type and place of ``x``; raise where they do not fit."""
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        kind = weight.dtype if isinstance(weight, Tensor) else type(weight).__name__
        raise TypeError(f"weight must be a tensor of floating point, got {kind}")
    if weight.shape not in (x.shape, x.shape[1:]):
        raise ValueError(
            f"weight must have the shape of x, {tuple(x.shape)}, or of one sample, {tuple(x.shape[1:])}, "
            f"got {tuple(weight.shape)}"
        )
    if weight.requires_grad:
        raise ValueError("weight asks for a gradient, which the loss does not give: pass weight.detach()")
    if finite and not bool((torch.isfinite(weight) & (weight >= 0)).all()):
        raise ValueError("weight has entries that are negative, NaN or infinite")
    return weight.to(x)


def full_precision(x: Tensor) -> torch.autocast:
    """No autocast: second derivatives in half precision are not to be trusted."""
    return torch.autocast(x.device.type, enabled=False)
